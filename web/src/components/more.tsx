import type { ReactNode } from "react";
import { Failed, Loading } from "./layout";
import { m } from "./messages";
import { Button } from "./ui";

interface Props {
  list: {
    items: readonly unknown[] | null;
    loading: boolean;
    error: Error | null;
    hasMore: boolean;
    more(): void;
    reload(): void;
  };
  /** What is loaded, e.g. `Loading schedules`. */
  what: string;
  /** What an empty list says. */
  empty: ReactNode;
  children: ReactNode;
}

/** A list that comes page by page, in all its states. */
export function Listing({ list, what, empty, children }: Props) {
  return (
    <>
      {list.error && <Failed error={list.error} retry={list.reload} />}
      {list.items === null && list.loading && <Loading what={what} />}
      {list.items?.length === 0 && empty}
      {list.items !== null && list.items.length > 0 && children}
      {list.hasMore && (
        <div className="mt-4 text-center">
          <Button onClick={list.more} busy={list.loading}>
            {m.showMore}
          </Button>
        </div>
      )}
    </>
  );
}
