/** Subscriptions over one WebSocket (graphql-transport-ws) that outlive lost connections and expired tokens. */

import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { stringifyDocument } from "@urql/core";
import { createClient, type Client as SocketClient } from "graphql-ws";
import { createContext, useContext, useEffect, useRef } from "react";
import { noteAge, persisted } from "./documents";
import { returns, suspect } from "./reach";
import { freshToken } from "./session";
import { Store } from "./store";

export type Connection = "idle" | "connecting" | "live" | "lost";

export interface Live {
  connection: Store<Connection>;
  /** Counts connections: what was read before the newest one may have gaps. */
  generation: Store<number>;
  subscribe<D, V>(document: TypedDocumentNode<D, V>, variables: V, sink: LiveSink<D>): () => void;
  close(): void;
}

export interface LiveSink<D> {
  next(data: D): void;
  /** The server has said everything. */
  end?(): void;
}

/** First wait after an error that ended a subscription, and the longest, in milliseconds. */
const AGAIN = 2000;
const AGAIN_MOST = 60_000;

export function createLive(url: string, workspaceId: string | null): Live {
  const connection = new Store<Connection>("idle");
  const generation = new Store(0);
  const socket: SocketClient = createClient({
    url,
    lazy: true,
    lazyCloseTimeout: 5000,
    keepAlive: 12_000,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    // spread, as a restarted service has all its readers come back at once; but not after a return that was found out
    retryWait: (retries) =>
      Promise.race([pause(Math.min(400 * 2 ** retries, 4000) * (0.5 + Math.random() / 2)), nextReturn()]),
    connectionParams: async () => ({
      authorization: `Bearer ${await freshToken()}`,
      ...(workspaceId && { workspace: workspaceId }),
    }),
    on: {
      connecting: () => connection.set(connection.get() === "lost" ? "lost" : "connecting"),
      connected: () => {
        connection.set("live");
        generation.set(generation.get() + 1);
      },
      closed: (event) => {
        const { wasClean, code } = event as CloseEvent;
        const wanted = wasClean && code === 1000;
        connection.set(wanted ? "idle" : "lost");
        if (!wanted && !wasClean) suspect();
      },
    },
  });
  return {
    connection,
    generation,
    close: () => void socket.dispose(),
    subscribe: (document, variables, sink) => follow(socket, document, variables, sink),
  };
}

/** One subscription; begun again after an error that ended it (Redis away for a moment). */
function follow<D, V>(
  socket: SocketClient,
  document: TypedDocumentNode<D, V>,
  variables: V,
  sink: LiveSink<D>,
): () => void {
  const extensions = persisted(document);
  // graphql-ws demands a query; an empty one is none
  const query = extensions ? "" : stringifyDocument(document);
  const request = { query, ...(extensions && { extensions }), variables: variables as Record<string, unknown> };
  let stopped = false;
  let stop = () => {};
  let wait = AGAIN;
  const begin = () => {
    let failed = false;
    const again = (reason?: unknown) => {
      if (Array.isArray(reason)) noteAge(reason);
      if (stopped || failed) return;
      failed = true;
      setTimeout(() => !stopped && begin(), wait);
      wait = Math.min(wait * 2, AGAIN_MOST);
    };
    stop = socket.subscribe<D>(request, {
      next: (result) => {
        if (result.errors) return again(result.errors);
        wait = AGAIN;
        if (result.data && !stopped) sink.next(result.data);
      },
      error: again,
      complete: () => {
        if (!stopped && !failed) sink.end?.();
      },
    });
  };
  begin();
  return () => {
    stopped = true;
    stop();
  };
}

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** Resolves at the next return of the service. */
const nextReturn = () =>
  new Promise<void>((resolve) => {
    const stop = returns.subscribe(() => {
      stop();
      resolve();
    });
  });

export const LiveContext = createContext<Live | null>(null);

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (!live) throw new Error("useLive needs a LiveContext");
  return live;
}

/** Call `next` for each event while the component is mounted and `variables` is not null. */
export function useSubscription<D, V>(
  document: TypedDocumentNode<D, V>,
  variables: V | null,
  next: (data: D) => void,
): void {
  const live = useLive();
  const latest = useRef(next);
  useEffect(() => {
    latest.current = next;
  });
  const key = variables === null ? null : JSON.stringify(variables);
  useEffect(() => {
    if (key === null) return;
    return live.subscribe(document, JSON.parse(key) as V, { next: (data) => latest.current(data) });
  }, [live, document, key]);
}
