import { useEffect, useState } from "react";
import { Button, Spinner } from "@/components/ui";
import { outdated } from "@/lib/documents";
import { useLive } from "@/lib/live";
import { reach, tryNow, useReturn } from "@/lib/reach";
import { useStore } from "@/lib/store";
import { m } from "./messages";

/** How long a lost socket stays unmentioned, and good news stays, in milliseconds. */
const PATIENCE = 1500;
const GOOD_NEWS = 4000;

const BAR = "flex flex-wrap items-center justify-center gap-x-3 gap-y-1 border-b px-4 py-1.5 text-center text-sm";

/** Says so when the page may be behind the truth, and when it has caught up. */
export function ConnectionBar() {
  const away = useStore(reach) === "away";
  const lost = useLost();
  const back = useBack();
  const old = useStore(outdated);
  return (
    // below the header, in sight however far one has scrolled
    <div role="status" className="sticky top-[3.25rem] z-10">
      {away ? (
        <Bar tone="warn">
          <Spinner />
          <span>
            {m.awayNews({
              what: <strong>{navigator.onLine ? m.karyakshamDoesNotAnswer : m.youAreOffline}</strong>,
            })}
          </span>
          <Button small onClick={tryNow}>
            {m.tryNow}
          </Button>
        </Bar>
      ) : lost ? (
        <Bar tone="warn">
          <Spinner />
          <span>{m.liveConnectionLost}</span>
        </Bar>
      ) : old ? (
        <Bar tone="info">
          <span>{m.newVersion}</span>
          <Button small onClick={() => location.reload()}>
            {m.loadIt}
          </Button>
        </Bar>
      ) : (
        back && <Bar tone="good">{m.connectedAgain}</Bar>
      )}
    </div>
  );
}

const TONES = {
  warn: "border-warn bg-warn-tint",
  info: "border-accent bg-tint",
  good: "border-good bg-good-tint",
};

function Bar({ tone, children }: { tone: keyof typeof TONES; children: React.ReactNode }) {
  return <div className={`${BAR} ${TONES[tone]}`}>{children}</div>;
}

/** Whether the socket has been lost for a while: one whose token ended comes back within a moment. */
function useLost(): boolean {
  const connection = useStore(useLive().connection);
  const [lost, setLost] = useState(false);
  useEffect(() => {
    if (connection !== "lost") return setLost(false);
    const timer = setTimeout(() => setLost(true), PATIENCE);
    return () => clearTimeout(timer);
  }, [connection]);
  return lost;
}

/** True for some seconds after the service is back. */
function useBack(): boolean {
  const [times, setTimes] = useState(0);
  const [shown, setShown] = useState(false);
  useReturn(() => setTimes((before) => before + 1));
  useEffect(() => {
    if (times === 0) return;
    setShown(true);
    const timer = setTimeout(() => setShown(false), GOOD_NEWS);
    return () => clearTimeout(timer);
  }, [times]);
  return shown;
}
