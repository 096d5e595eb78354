import { Link } from "@tanstack/react-router";
import { Progress } from "@/components/data";
import { Button, buttonClass } from "@/components/ui";
import { bytes, remaining } from "@/lib/format";
import { useStore } from "@/lib/store";
import { useUploads } from "./context";
import type { Item } from "./manager";

/** One line of words about an upload. */
function describe({ state, sent, size, bytesPerSecond, secondsLeft }: Item): string {
  const share = `${bytes(sent)} of ${bytes(size)}`;
  switch (state.status) {
    case "starting":
      return "Starting…";
    case "uploading": {
      const speed = bytesPerSecond === null ? "" : ` · ${bytes(bytesPerSecond)}/s`;
      const left = secondsLeft === null || bytesPerSecond === null ? "" : ` · ${remaining(secondsLeft)} left`;
      return `${share}${speed}${left}`;
    }
    case "paused":
      return `Paused · ${share}`;
    case "offline":
      return `Waiting for the connection · ${share}`;
    case "completing":
      return "All sent; putting the parts together…";
    case "done":
      return `Uploaded · ${bytes(size)}. Open it to see what is in it and what can be done with it.`;
    case "failed":
      return `Stopped · ${share}`;
    case "aborted":
      return "Given up";
  }
}

function Row({ item }: { item: Item }) {
  const uploads = useUploads();
  const { status, problem, datasetId } = item.state;
  const moving = status === "uploading" || status === "offline";
  return (
    <li className="grid gap-1.5 py-3" data-upload={item.name} data-status={status}>
      <div className="flex flex-wrap items-center justify-between gap-2">
        <div className="max-w-full min-w-0">
          <p className="truncate font-medium">{item.name}</p>
          <p className="text-sm text-muted tabular-nums">{describe(item)}</p>
        </div>
        <div className="flex gap-2">
          {moving && (
            <Button small onClick={() => uploads.pause(item.key)} aria-label={`Pause ${item.name}`}>
              Pause
            </Button>
          )}
          {(status === "paused" || status === "failed") && (
            <Button small onClick={() => uploads.resume(item.key)} aria-label={`Resume ${item.name}`}>
              Resume
            </Button>
          )}
          {status === "done" && datasetId && (
            <Link to="/datasets/$id" params={{ id: datasetId }} className={buttonClass("primary", true)}>
              Open
            </Link>
          )}
          {status === "done" ? (
            <Button small variant="ghost" onClick={() => uploads.dismiss(item.key)} aria-label={`Hide ${item.name}`}>
              Hide
            </Button>
          ) : (
            <Button small variant="ghost" onClick={() => uploads.abort(item.key)} aria-label={`Remove ${item.name}`}>
              Remove
            </Button>
          )}
        </div>
      </div>
      {status !== "done" && (
        <Progress value={item.size ? item.sent / item.size : null} label={`Upload of ${item.name}`} paused={!moving} />
      )}
      {problem && (
        <p role="alert" className="text-sm text-bad">
          {problem.message} {problem.hint}
        </p>
      )}
    </li>
  );
}

export function UploadList() {
  const items = useStore(useUploads().items);
  if (items.length === 0) return null;
  return (
    <ul className="divide-y divide-line">
      {items.map((item) => (
        <Row key={item.key} item={item} />
      ))}
    </ul>
  );
}

/** Uploads that a reload or a crash stopped. A browser does not keep files: the user must choose them again. */
export function InterruptedList() {
  const uploads = useUploads();
  const entries = useStore(uploads.interrupted);
  if (entries.length === 0) return null;
  return (
    <div className="rounded-lg border border-warn bg-warn-tint p-3">
      <p className="font-medium">Unfinished uploads</p>
      <p className="text-sm">Choose the same file again, and it goes on where it stopped.</p>
      <ul className="mt-2 grid gap-1">
        {entries.map((entry) => (
          <li key={entry.uploadId} className="flex items-center justify-between gap-2">
            <span className="truncate">
              {entry.name} <span className="text-sm text-muted">({bytes(entry.size)})</span>
            </span>
            <Button small variant="ghost" onClick={() => uploads.discard(entry)} aria-label={`Give up ${entry.name}`}>
              Give up
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}
