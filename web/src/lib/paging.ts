import { useEffect, useState } from "react";
import { type AnyVariables, type DocumentInput, useClient } from "urql";
import { useReturn } from "./reach";
import { fromCombined } from "./refusal";

export interface Page<T> {
  nodes: readonly T[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

export interface Paged<T> {
  /** Null until the first page is there. */
  items: readonly T[] | null;
  hasMore: boolean;
  loading: boolean;
  error: Error | null;
  more(): void;
  /** Read the first page again and merge it in. */
  reload(): void;
}

/**
 * Merge a page into a list. Behind it, known ids are replaced where they stand. A first page read again (`front`) stands
 * for its part of the list: what it no longer mentions is gone; `whole` says that nothing comes after it.
 */
export function mergePage<T extends { id: string }>(
  list: readonly T[],
  page: readonly T[],
  front: boolean,
  whole = false,
): T[] {
  if (front) {
    if (whole) return [...page];
    const mentioned = new Set(page.map((item) => item.id));
    const end = list.findIndex((item) => item.id === page.at(-1)?.id);
    return [...page, ...list.slice(end + 1).filter((item) => !mentioned.has(item.id))];
  }
  const fresh = new Map(page.map((item) => [item.id, item]));
  const kept = list.map((item) => {
    const newer = fresh.get(item.id);
    fresh.delete(item.id);
    return newer ?? item;
  });
  return [...kept, ...fresh.values()];
}

/** A Relay connection page by page, newest first. `pick` takes the connection out of the answer. */
export function usePages<D, V extends AnyVariables, T extends { id: string }>(
  document: DocumentInput<D, V>,
  variables: Omit<V & object, "after">,
  pick: (data: D) => Page<T>,
): Paged<T> {
  const client = useClient();
  const key = JSON.stringify(variables);
  const [state, setState] = useState<{ key: string; items: T[] | null; page: Page<T>["pageInfo"] | null }>({
    key,
    items: null,
    page: null,
  });
  const [asked, setRequest] = useState<{ key: string; after: string | null; count: number }>({
    key,
    after: null,
    count: 0,
  });
  // what was asked of another list says nothing about this one
  const request = asked.key === key ? asked : { after: null, count: 0 };
  const [loading, setLoading] = useState(true);
  const [error, setError] = useState<Error | null>(null);
  const current = state.key === key ? state : { key, items: null, page: null };

  // biome-ignore lint/correctness/useExhaustiveDependencies: `pick` is code, not data; `request.count` asks again
  useEffect(() => {
    let stale = false;
    // a first page read again changes nothing that one waits for
    if (state.key !== key || state.items === null || request.after !== null) setLoading(true);
    const wanted = { ...JSON.parse(key), after: request.after } as V;
    void client
      .query(document, wanted, { requestPolicy: "network-only" })
      .toPromise()
      .then((result) => {
        if (stale) return;
        setLoading(false);
        setError(result.error ? fromCombined(result.error) : null);
        if (!result.data) return;
        const page = pick(result.data);
        setState((before) => {
          const known = before.key === key ? before : { key, items: null, page: null };
          const first = known.items === null;
          return {
            key,
            items: mergePage(
              known.items ?? [],
              page.nodes,
              !first && request.after === null,
              !page.pageInfo.hasNextPage,
            ),
            // a reloaded first page says nothing about how far the list was read, unless it is all there is
            page: first || request.after !== null || !page.pageInfo.hasNextPage ? page.pageInfo : known.page,
          };
        });
      });
    return () => {
      stale = true;
    };
  }, [client, document, key, request.after, request.count]);

  const reload = () => {
    if (loading && request.after !== null) return; // the next page that somebody asked for comes first
    setRequest(({ count }) => ({ key, after: null, count: count + 1 }));
  };
  useReturn(reload);

  return {
    items: current.items,
    hasMore: current.page?.hasNextPage ?? false,
    loading,
    error,
    more: () =>
      current.page?.endCursor &&
      setRequest(({ count }) => ({ key, after: current.page?.endCursor ?? null, count: count + 1 })),
    reload,
  };
}
