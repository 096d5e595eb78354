import { Link } from "@tanstack/react-router";
import { Progress } from "@/components/data";
import { percent } from "@/lib/format";
import { useStore } from "@/lib/store";
import { m } from "../messages";
import { useUploads } from "./context";

/** Uploads under way, in the corner of every page but the one that lists them. */
export function UploadDock({ hidden }: { hidden: boolean }) {
  const items = useStore(useUploads().items).filter((item) => item.state.status !== "done");
  if (hidden || items.length === 0) return null;
  const sent = items.reduce((sum, item) => sum + item.sent, 0);
  const size = items.reduce((sum, item) => sum + item.size, 0);
  const stopped = items.filter((item) => item.state.status === "failed").length;
  const share = size ? sent / size : 0;
  return (
    <aside
      aria-label={m.uploads}
      className="fixed right-4 bottom-4 z-30 grid w-72 gap-2 rounded-xl border border-line bg-surface p-3 shadow-lg"
    >
      <div className="flex items-center justify-between gap-2">
        <span className="font-medium">{m.uploadsShare({ count: items.length, share: percent(share) })}</span>
        <Link to="/datasets" className="text-sm font-medium text-accent underline">
          {m.show}
        </Link>
      </div>
      <Progress value={share} label={m.allUploads} />
      {stopped > 0 && <p className="text-sm text-bad">{m.uploadsStopped({ count: stopped })}</p>}
    </aside>
  );
}
