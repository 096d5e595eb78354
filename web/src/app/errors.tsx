import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import { Empty, Note } from "@/components/layout";
import { Button, buttonClass } from "@/components/ui";
import { messageOf } from "@/lib/refusal";
import { m } from "./messages";

export function NotFound() {
  return (
    <div className="mx-auto max-w-2xl p-6">
      <Empty title={m.noSuchPage}>
        <Link to="/" className={buttonClass("primary")}>
          {m.toTheDataSets}
        </Link>
      </Empty>
    </div>
  );
}

/** A bug, or a new version of the app while this one was open: its old files are gone. */
export function PageError({ error }: ErrorComponentProps) {
  return (
    <div className="mx-auto max-w-2xl p-6">
      <Note tone="bad" title={m.thisPageBroke} hint={messageOf(error)}>
        <div className="mt-2">
          <Button onClick={() => location.reload()}>{m.loadAgain}</Button>
        </div>
      </Note>
    </div>
  );
}
