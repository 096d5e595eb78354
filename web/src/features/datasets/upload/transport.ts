/** The real world of an upload: GraphQL for the bookkeeping, XMLHttpRequest to the storage (fetch shows no progress). */
import type { Client } from "@urql/core";
import {
  AbortUploadDocument,
  BeginUploadDocument,
  CompleteUploadDocument,
  SignUploadPartsDocument,
  UploadStateDocument,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { fromCombined, isTransient, Refusal } from "@/lib/refusal";
import { m } from "../messages";
import { checksum } from "./checksum";
import { type PartBody, type Transport, TransportError } from "./runner";
import type { Failure, Plan } from "./state";

/** The storage must not take parts for text, which it would compress and then read slowly. */
const CONTENT_TYPE = "application/x-karyaksham";
/** A part without a new byte for this long is sent again, in milliseconds. */
const STALLED = 45_000;

export function createTransport(client: Client, file: File): Transport {
  return {
    begin: () =>
      api(async () => {
        const input = { fileName: file.name, sizeBytes: file.size, contentType: file.type || null };
        const { upload } = await act(client, BeginUploadDocument, { input });
        return { uploadId: upload.id, plan: planOf(upload) };
      }),
    present: (id) =>
      api(async () => {
        const result = await client.query(UploadStateDocument, { id }, { requestPolicy: "network-only" }).toPromise();
        if (result.error) throw fromCombined(result.error);
        const upload = result.data?.upload;
        // a completed one has all its parts: completing again returns its data set
        if (upload?.status === "COMPLETED") return { plan: planOf(upload), done: numbers(upload.partCount) };
        return upload?.status === "ACTIVE" ? { plan: planOf(upload), done: [...upload.presentParts] } : null;
      }),
    sign: (uploadId, partNumbers) =>
      api(async () => {
        const { parts } = await act(client, SignUploadPartsDocument, { input: { uploadId, partNumbers } });
        return parts.map((part) => ({ ...part, expiresAt: Date.parse(part.expiresAt) }));
      }),
    send: (part, url, progress, signal) => put(file, part, url, progress, signal),
    complete: (uploadId) =>
      api(async () => {
        const { dataset } = await act(client, CompleteUploadDocument, { input: { uploadId } });
        return { datasetId: dataset.id };
      }),
    abort: (uploadId) => api(async () => void (await act(client, AbortUploadDocument, { input: { uploadId } }))),
  };
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

function planOf({ sizeBytes, partSizeBytes, partCount }: Plan): Plan {
  return { sizeBytes, partSizeBytes, partCount };
}

/** Turn refusals of the API into failures of the upload: gone services are worth another try, answers are not. */
async function api<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refusal && !isTransient(error)) {
      throw new TransportError({ kind: "fatal", problem: { code: error.code, message: error.message } });
    }
    throw new TransportError({
      kind: "broken",
      status: 0,
      message: error instanceof Error ? error.message : m.noAnswerYet,
    });
  }
}

async function put(
  file: File,
  part: PartBody,
  url: string,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const body = file.slice(part.start, part.start + part.size);
  // the storage compares it with what came, and refuses what a line or a proxy has changed
  const sum = await checksum(body);
  if (signal.aborted) throw new TransportError({ kind: "broken", status: 0, message: "stopped" });
  const failure = await transfer(body, url, sum, progress, signal);
  if (failure === null) return;
  if (failure.kind === "broken" && failure.status === 0 && !(await readable(body))) {
    const problem = {
      code: "FILE_CHANGED",
      message: m.fileHasChanged,
      hint: m.removeAndChooseAgain,
    };
    throw new TransportError({ kind: "fatal", problem });
  }
  throw new TransportError(failure);
}

function transfer(
  body: Blob,
  url: string,
  sum: string | null,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Failure | null> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let watchdog = 0;
    const watch = () => {
      clearTimeout(watchdog);
      watchdog = window.setTimeout(() => {
        request.abort();
        end(broken(m.stalled));
      }, STALLED);
    };
    const broken = (message: string): Failure => ({ kind: "broken", status: 0, message });
    const stop = () => {
      request.abort();
      end(broken("stopped"));
    };
    const end = (failure: Failure | null) => {
      clearTimeout(watchdog);
      signal.removeEventListener("abort", stop);
      resolve(failure);
    };
    signal.addEventListener("abort", stop);
    request.open("PUT", url);
    request.setRequestHeader("Content-Type", CONTENT_TYPE);
    if (sum) request.setRequestHeader("Content-MD5", sum);
    request.upload.onprogress = (event) => {
      watch();
      progress(event.loaded);
    };
    request.onload = () => end(judge(request.status));
    request.onerror = () => end(broken(m.networkError));
    watch();
    request.send(body);
  });
}

function judge(status: number): Failure | null {
  if (status >= 200 && status < 300) return null;
  if (status === 403) return { kind: "refused", status };
  if (status === 404) {
    const message = m.storageHasItNoLonger;
    return {
      kind: "fatal",
      problem: { code: "UPLOAD_GONE", message, hint: m.removeAndUploadAgain },
    };
  }
  return { kind: "broken", status, message: m.httpStatus({ status }) };
}

async function readable(body: Blob): Promise<boolean> {
  try {
    await body.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
