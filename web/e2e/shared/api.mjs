// The API as a program asks it, for what a drive needs done while its page cannot: same account, own connection.
const BASE_URL = (process.env.BASE_URL ?? "http://127.0.0.1:8000").replace(/\/$/, "");
const CONTENT_TYPE = "application/x-karyaksham";

export class Api {
  #token = "";

  /** Log in; returns the API of that account. */
  static async logIn(email, password) {
    const api = new Api();
    const text =
      "mutation($i: LogInInput!) { logIn(input: $i) { ... on LogInSuccess { accessToken } ... on Error { message } } }";
    const { logIn } = await api.ask(text, { i: { email, password } });
    api.#token = logIn.accessToken ?? "";
    if (!api.#token) throw new Error(`log-in refused: ${logIn.message}`);
    return api;
  }

  /** The data of the answer; throws at every error, top-level or of the domain. */
  async ask(query, variables = {}) {
    const answer = await fetch(`${BASE_URL}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(this.#token && { authorization: `Bearer ${this.#token}` }) },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await answer.json();
    const refused = errors?.[0] ?? Object.values(data ?? {}).find((each) => each?.code && each?.message);
    if (refused) throw new Error(`${refused.message} (${query.slice(0, 60)})`);
    return data;
  }

  /** Upload a text; returns the id of the data set, which can be read. */
  async upload(fileName, text) {
    const bytes = Buffer.from(text);
    const begin = `mutation($i: BeginUploadInput!) { beginUpload(input: $i) { ... on BeginUploadSuccess {
      upload { id partSizeBytes partCount } } ... on Error { code message } } }`;
    const input = { fileName, sizeBytes: bytes.length, contentType: "text/plain" };
    const { upload } = (await this.ask(begin, { i: input })).beginUpload;
    const sign = `mutation($i: SignUploadPartsInput!) { signUploadParts(input: $i) { ... on SignUploadPartsSuccess {
      parts { partNumber url } } ... on Error { code message } } }`;
    const partNumbers = Array.from({ length: upload.partCount }, (_, index) => index + 1);
    const { parts } = (await this.ask(sign, { i: { uploadId: upload.id, partNumbers } })).signUploadParts;
    for (const { partNumber, url } of parts) {
      const start = (partNumber - 1) * upload.partSizeBytes;
      const body = bytes.subarray(start, start + upload.partSizeBytes);
      const put = await fetch(url, { method: "PUT", body, headers: { "content-type": CONTENT_TYPE } });
      if (!put.ok) throw new Error(`the storage answered ${put.status}`);
    }
    const complete = `mutation($i: CompleteUploadInput!) { completeUpload(input: $i) { ... on CompleteUploadSuccess {
      dataset { id } } ... on Error { code message } } }`;
    const { id } = (await this.ask(complete, { i: { uploadId: upload.id } })).completeUpload.dataset;
    await this.#until("query($id: ID!) { dataset(id: $id) { status } }", id, ({ dataset }) => {
      if (dataset.status === "FAILED") throw new Error(`${fileName} cannot be read`);
      return dataset.status === "READY";
    });
    return id;
  }

  /** Make a pipeline; returns its id. */
  async pipeline(name, spec) {
    const text = `mutation($i: CreatePipelineInput!) { createPipeline(input: $i) { ... on CreatePipelineSuccess {
      pipeline { id } } ... on Error { code message } } }`;
    return (await this.ask(text, { i: { name, spec } })).createPipeline.pipeline.id;
  }

  /** Start a job of a pipeline, which it is named after, on data sets by name; returns its id. */
  async start(pipelineId, inputs) {
    const run = `mutation($i: RunJobInput!) { runJob(input: $i) { ... on RunJobSuccess { job { id } }
      ... on Error { code message } } }`;
    return (await this.ask(run, { i: { pipelineId, inputs: named(inputs) } })).runJob.job.id;
  }

  /** Wait until a job has ended; returns its status. */
  async ended(id) {
    const text = "query($id: ID!) { job(id: $id) { status } }";
    const { job } = await this.#until(text, id, ({ job: { status } }) => !["PENDING", "RUNNING"].includes(status));
    return job.status;
  }

  async #until(query, id, done) {
    for (let tries = 0; tries < 1200; tries += 1) {
      const data = await this.ask(query, { id });
      if (done(data)) return data;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${id} does not come to its end`);
  }
}

/** Data sets by name, as inputs want them. */
export function named(inputs) {
  return Object.entries(inputs).map(([name, datasetId]) => ({ name, datasetId }));
}
