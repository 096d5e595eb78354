import { useEffect, useState } from "react";
import { useClient } from "urql";
import { Button } from "@/components/ui";
import { CancelJobDocument, type JobRowFragment, RetryJobDocument } from "@/gql/graphql";
import { act } from "@/lib/client";
import { messageOf } from "@/lib/refusal";
import { isEnded } from "./merge";
import { m } from "./messages";

interface Props {
  job: JobRowFragment;
  changed: (job: JobRowFragment) => void;
  /** In a list: small, and named after the job. */
  small?: boolean;
}

/** Cancels a job that has not ended; runs one again that did not succeed. */
export function CancelOrRetry({ job, changed, small = false }: Props) {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new status makes the old complaint pointless
  useEffect(() => setError(null), [job.status]);
  const run = async (work: () => Promise<{ job: JobRowFragment }>) => {
    setBusy(true);
    setError(null);
    try {
      changed((await work()).job);
    } catch (thrown) {
      setError(messageOf(thrown));
    } finally {
      setBusy(false);
    }
  };
  const input = { id: job.id };
  const named = (label: string) => (small ? m.labelOfJob({ label, job: job.name }) : undefined);
  return (
    <>
      {!isEnded(job.status) && (
        <Button
          variant="danger"
          small={small}
          aria-label={named(m.cancel)}
          busy={busy || job.cancelRequested}
          onClick={() => run(() => act(client, CancelJobDocument, { input }))}
        >
          {m.cancel}
        </Button>
      )}
      {(job.status === "FAILED" || job.status === "CANCELLED") && (
        <Button
          variant={small ? "secondary" : "primary"}
          small={small}
          aria-label={named(m.runAgain)}
          busy={busy}
          onClick={() => run(() => act(client, RetryJobDocument, { input }))}
        >
          {m.runAgain}
        </Button>
      )}
      {error && (
        <p role="alert" className="w-full text-sm text-bad">
          {error}
        </p>
      )}
    </>
  );
}
