import { useEffect, useState } from "react";
import { Button, Spinner } from "@/components/ui";
import { outdated } from "@/lib/documents";
import { useLive } from "@/lib/live";
import { reach, tryNow, useReturn } from "@/lib/reach";
import { useStore } from "@/lib/store";

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
            <strong>{navigator.onLine ? "Karyaksham does not answer." : "You are offline."}</strong> What you see may be
            old; jobs go on without you, and uploads resume by themselves.
          </span>
          <Button small onClick={tryNow}>
            Try now
          </Button>
        </Bar>
      ) : lost ? (
        <Bar tone="warn">
          <Spinner />
          <span>The live connection is lost. Connecting again; what you see may be old.</span>
        </Bar>
      ) : old ? (
        <Bar tone="info">
          <span>There is a new version of Karyaksham.</span>
          <Button small onClick={() => location.reload()}>
            Load it
          </Button>
        </Bar>
      ) : (
        back && <Bar tone="good">Connected again. This page has caught up.</Bar>
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
