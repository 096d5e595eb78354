/** Whether the service can be reached, by trying: `navigator.onLine` knows neither a stopped service nor one on this machine. */
import type { Exchange, Operation } from "@urql/core";
import { useEffect, useRef } from "react";
import { pipe, tap } from "wonka";
import { Store } from "./store";

export type Reach = "there" | "away";

export const reach = new Store<Reach>("there");
/** Counts returns: what was read before the newest one may be old. */
export const returns = new Store(0);

/** Waits between two tries, in milliseconds; the last one repeats. */
const WAITS = [500, 1000, 2000, 3000];
/** A try without an answer for this long has failed, in milliseconds. */
const SILENCE = 5000;

let trying = false;
let hurry: (() => void) | null = null;

/** Something did not get through: find out, and try until the service is there. */
export function suspect(): void {
  if (trying) return;
  trying = true;
  void tryUntilThere().finally(() => {
    trying = false;
  });
}

/** Do not wait for the next try. */
export function tryNow(): void {
  hurry?.();
}

/** Resolves at once while the service is there, else when it is back. */
export function untilThere(): Promise<void> {
  if (reach.get() === "there") return Promise.resolve();
  return new Promise((resolve) => {
    const stop = reach.subscribe(() => {
      if (reach.get() !== "there") return;
      stop();
      resolve();
    });
  });
}

/** Whether the service answers now. */
export async function answers(): Promise<boolean> {
  try {
    return (await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(SILENCE) })).ok;
  } catch {
    return false;
  }
}

async function tryUntilThere(): Promise<void> {
  for (let count = 0; !(await answers()); count += 1) {
    reach.set("away");
    await new Promise<void>((resolve) => {
      hurry = resolve;
      setTimeout(resolve, WAITS[Math.min(count, WAITS.length - 1)]);
    });
  }
  if (reach.get() === "there") return;
  reach.set("there");
  returns.set(returns.get() + 1);
}

/** Run something after each return of the service while the component is mounted. */
export function useReturn(work: () => void): void {
  const latest = useRef(work);
  useEffect(() => {
    latest.current = work;
  });
  useEffect(() => returns.subscribe(() => latest.current()), []);
}

/** Notes requests that did not get through, and asks again what the page shows once the service is back. */
export const reachExchange: Exchange =
  ({ client, forward }) =>
  (operations) => {
    const active = new Map<number, Operation>();
    returns.subscribe(() => {
      for (const operation of active.values()) {
        client.reexecuteOperation(
          client.createRequestOperation("query", operation, { ...operation.context, requestPolicy: "network-only" }),
        );
      }
    });
    return pipe(
      operations,
      tap((operation) => {
        if (operation.kind === "query") active.set(operation.key, operation);
        if (operation.kind === "teardown") active.delete(operation.key);
      }),
      forward,
      tap((result) => result.error?.networkError && suspect()),
    );
  };

if (typeof window !== "undefined") {
  window.addEventListener("offline", suspect);
  window.addEventListener("online", () => tryNow());
}
