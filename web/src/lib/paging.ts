import { useEffect, useState } from "react";
import { type AnyVariables, type DocumentInput, useClient } from "urql";
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

/** Merge a page into a list: known ids are replaced where they stand, `front` puts new ones before, else after. */
export function mergePage<T extends { id: string }>(list: readonly T[], page: readonly T[], front: boolean): T[] {
  const fresh = new Map(page.map((item) => [item.id, item]));
  const kept = list.map((item) => {
    const newer = fresh.get(item.id);
    fresh.delete(item.id);
    return newer ?? item;
  });
  return front ? [...fresh.values(), ...kept] : [...kept, ...fresh.values()];
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
  const [request, setRequest] = useState<{ after: string | null; count: number }>({ after: null, count: 0 });
  const [loading, setLoading] = useState(true);
  const [error, setError] = useState<Error | null>(null);
  const current = state.key === key ? state : { key, items: null, page: null };

  // biome-ignore lint/correctness/useExhaustiveDependencies: `pick` is code, not data; `request.count` asks again
  useEffect(() => {
    let stale = false;
    setLoading(true);
    const asked = { ...JSON.parse(key), after: request.after } as V;
    void client
      .query(document, asked, { requestPolicy: "network-only" })
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
            items: mergePage(known.items ?? [], page.nodes, !first && request.after === null),
            // a reloaded first page says nothing about how far the list was read
            page: first || request.after !== null ? page.pageInfo : known.page,
          };
        });
      });
    return () => {
      stale = true;
    };
  }, [client, document, key, request.after, request.count]);

  return {
    items: current.items,
    hasMore: current.page?.hasNextPage ?? false,
    loading,
    error,
    more: () =>
      current.page?.endCursor &&
      setRequest(({ count }) => ({ after: current.page?.endCursor ?? null, count: count + 1 })),
    reload: () => setRequest(({ count }) => ({ after: null, count: count + 1 })),
  };
}
