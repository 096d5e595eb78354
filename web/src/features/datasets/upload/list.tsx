import { Link } from "@tanstack/react-router";
import { Progress } from "@/components/data";
import { Button, buttonClass } from "@/components/ui";
import { bytes, remaining } from "@/lib/format";
import { useStore } from "@/lib/store";
import { m } from "../messages";
import { useUploads } from "./context";
import type { Item } from "./manager";

/** One line of words about an upload. */
function describe({ state, sent, size, bytesPerSecond, secondsLeft }: Item): string {
  const share = m.shareOfSize({ sent: bytes(sent), size: bytes(size) });
  switch (state.status) {
    case "starting":
      return m.starting;
    case "uploading": {
      if (bytesPerSecond === null) return share;
      const speed = bytes(bytesPerSecond);
      if (secondsLeft === null) return m.speed({ share, speed });
      return m.speedAndTimeLeft({ share, speed, time: remaining(secondsLeft) });
    }
    case "paused":
      return m.pausedAt({ share });
    case "offline":
      return m.waitingForConnectionAt({ share });
    case "completing":
      return m.allSent;
    case "done":
      return m.uploadedOpenIt({ size: bytes(size) });
    case "failed":
      return m.stoppedAt({ share });
    case "aborted":
      return m.givenUp;
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
          <p translate="no" className="truncate font-medium">
            {item.name}
          </p>
          <p className="text-sm text-muted tabular-nums">{describe(item)}</p>
        </div>
        <div className="flex gap-2">
          {moving && (
            <Button small onClick={() => uploads.pause(item.key)} aria-label={m.pauseUpload({ name: item.name })}>
              {m.pause}
            </Button>
          )}
          {(status === "paused" || status === "failed") && (
            <Button small onClick={() => uploads.resume(item.key)} aria-label={m.resumeUpload({ name: item.name })}>
              {m.resume}
            </Button>
          )}
          {status === "done" && datasetId && (
            <Link to="/datasets/$id" params={{ id: datasetId }} className={buttonClass("primary", true)}>
              {m.open}
            </Link>
          )}
          {status === "done" ? (
            <Button
              small
              variant="ghost"
              onClick={() => uploads.dismiss(item.key)}
              aria-label={m.hideUpload({ name: item.name })}
            >
              {m.hide}
            </Button>
          ) : (
            <Button
              small
              variant="ghost"
              onClick={() => uploads.abort(item.key)}
              aria-label={m.removeUpload({ name: item.name })}
            >
              {m.remove}
            </Button>
          )}
        </div>
      </div>
      {status !== "done" && (
        <Progress
          value={item.size ? item.sent / item.size : null}
          label={m.uploadOf({ name: item.name })}
          paused={!moving}
        />
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
      <p className="font-medium">{m.unfinishedUploads}</p>
      <p className="text-sm">{m.chooseTheSameFile}</p>
      <ul className="mt-2 grid gap-1">
        {entries.map((entry) => (
          <li key={entry.uploadId} className="flex items-center justify-between gap-2">
            <span translate="no" className="truncate">
              {entry.name} <span className="text-sm text-muted">({bytes(entry.size)})</span>
            </span>
            <Button
              small
              variant="ghost"
              onClick={() => uploads.discard(entry)}
              aria-label={m.giveUpUpload({ name: entry.name })}
            >
              {m.giveUp}
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}
