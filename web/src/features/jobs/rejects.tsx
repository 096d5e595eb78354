import { useState } from "react";
import { Grid } from "@/components/grid";
import { Note } from "@/components/layout";
import { Button, buttonClass } from "@/components/ui";
import { useAction } from "@/lib/use-action";
import { parseCsv } from "./csv";
import { m } from "./messages";

/** Bytes of the list that are read to be shown; all of it is for download. */
const SHOWN_BYTES = 256_000;

/** The first of the rejected rows, straight from the storage. */
async function readRejects(url: string): Promise<string[][]> {
  const response = await fetch(url, { headers: { range: `bytes=0-${SHOWN_BYTES - 1}` } });
  if (!response.ok) throw new Error(m.storageAnswered({ status: response.status }));
  const bytes = await response.arrayBuffer();
  const size = Number(response.headers.get("content-range")?.split("/")[1] ?? bytes.byteLength);
  return parseCsv(new TextDecoder().decode(bytes), bytes.byteLength >= size);
}

/** Rows that could not be used: how many, the first of them in place, all of them for download. */
export function Rejects({ rejects }: { rejects: { rows: number; url: string } }) {
  const action = useAction();
  const [rows, setRows] = useState<string[][] | null>(null);
  const [columns, ...list] = rows ?? [];
  return (
    <div className="mt-3 grid grid-cols-1 gap-3">
      <Note tone="warn" title={m.rowsSetAside({ count: rejects.rows })} hint={m.whatTheListSays}>
        <div className="mt-1 flex flex-wrap gap-2">
          {!rows && (
            <Button
              small
              busy={action.busy}
              onClick={() => action.run(async () => setRows(await readRejects(rejects.url)))}
            >
              {m.showThem}
            </Button>
          )}
          <a href={rejects.url} download className={buttonClass("secondary", true)}>
            {m.downloadRejected({ rows: rejects.rows })}
          </a>
        </div>
        {action.refusal && <p className="text-sm text-bad">{action.refusal.message}</p>}
      </Note>
      {columns && (
        <>
          <Grid columns={columns} rows={list} caption={m.rejectedRows} />
          {list.length < rejects.rows && (
            <p className="text-sm text-muted">{m.firstRejectedShown({ rows: list.length })}</p>
          )}
        </>
      )}
    </div>
  );
}
