import { useState } from "react";
import { Choice } from "@/components/choice";
import { Ago } from "@/components/data";
import { Empty, Panel } from "@/components/layout";
import { Listing } from "@/components/more";
import { Cell, Row, Table } from "@/components/table";
import { AuditLogDocument } from "@/gql/graphql";
import { usePages } from "@/lib/paging";
import { AuditExport } from "./audit-export";
import { m } from "./messages";

const groups = () =>
  [
    { value: "", text: m.all },
    { value: "user.", text: m.accounts },
    { value: "job.", text: m.jobs },
    { value: "dataset.", text: m.dataSets },
    { value: "pipeline.", text: m.pipelines },
    { value: "worker.", text: m.workers },
    { value: "workspace.", text: m.workspaces },
  ] satisfies { value: string; text: string }[];

/** Who did what; entries are never changed. */
export function Audit() {
  const [group, setGroup] = useState("");
  const list = usePages(AuditLogDocument, { first: 50, action: group || null }, (data) => data.auditLog);
  return (
    <div className="grid grid-cols-1 gap-4">
      <Choice legend={m.showEntriesAbout} options={groups()} value={group} choose={setGroup} />
      <AuditExport action={group} />
      <Listing list={list} what={m.loadingTheAuditLog} empty={<Empty title={m.noSuchEntries} />}>
        <Panel className="!p-0">
          <Table caption={m.auditLog} head={[m.when, m.who, m.what, m.onObject, m.from, m.more]}>
            {list.items?.map((entry) => (
              <Row key={entry.id}>
                <Cell>
                  <Ago time={entry.at} />
                </Cell>
                <Cell plain data>
                  {entry.actorEmail ?? "–"}
                </Cell>
                <Cell data>
                  <span className="font-mono text-sm">{entry.action}</span>
                </Cell>
                <Cell data>{entry.objectType ?? "–"}</Cell>
                <Cell data>{entry.address ?? "–"}</Cell>
                <Cell plain data>
                  <span className="block min-w-64 font-mono text-sm break-all">
                    {entry.data ? JSON.stringify(entry.data) : ""}
                  </span>
                </Cell>
              </Row>
            ))}
          </Table>
        </Panel>
      </Listing>
    </div>
  );
}
