import { useState } from "react";
import { Button } from "@/components/ui";
import { Words } from "@/components/words";
import { messageOf } from "@/lib/refusal";
import { freshToken } from "@/lib/session";
import { m } from "./messages";

/** Downloads the entries that are shown, all of them; by a request of its own, since a link can carry no token. */
export function AuditExport({ action }: { action: string }) {
  const [busy, setBusy] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const save = async (format: "csv" | "ndjson") => {
    setBusy(format);
    setError(null);
    try {
      const query = new URLSearchParams({ format, ...(action && { action }) });
      const headers = { authorization: `Bearer ${await freshToken()}` };
      const answer = await fetch(`/export/audit?${query}`, { headers });
      if (!answer.ok) throw new Error((await answer.json()).title);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await answer.blob());
      link.download = `karyaksham-audit.${format}`;
      link.click();
      URL.revokeObjectURL(link.href);
    } catch (thrown) {
      setError(messageOf(thrown));
    } finally {
      setBusy(null);
    }
  };
  return (
    <div className="flex flex-wrap items-center gap-3">
      <Button onClick={() => save("csv")} busy={busy === "csv"}>
        {m.downloadAsCsv}
      </Button>
      <Button onClick={() => save("ndjson")} busy={busy === "ndjson"}>
        {m.downloadAsNdjson}
      </Button>
      {error && (
        <p role="alert" className="text-sm text-bad">
          <Words text={error} />
        </p>
      )}
    </div>
  );
}
