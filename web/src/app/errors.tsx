import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import { Empty, Note } from "@/components/layout";
import { Button, buttonClass } from "@/components/ui";
import { messageOf } from "@/lib/refusal";

export function NotFound() {
  return (
    <div className="mx-auto max-w-2xl p-6">
      <Empty title="There is no such page.">
        <Link to="/" className={buttonClass("primary")}>
          To the data sets
        </Link>
      </Empty>
    </div>
  );
}

/** A bug, or a new version of the app while this one was open: its old files are gone. */
export function PageError({ error }: ErrorComponentProps) {
  return (
    <div className="mx-auto max-w-2xl p-6">
      <Note tone="bad" title="This page broke." hint={messageOf(error)}>
        <div className="mt-2">
          <Button onClick={() => location.reload()}>Load again</Button>
        </div>
      </Note>
    </div>
  );
}
