import { useState } from "react";
import { Choice } from "@/components/choice";
import { Ago } from "@/components/data";
import { Empty, Panel } from "@/components/layout";
import { Listing } from "@/components/more";
import { Cell, Row, Table } from "@/components/table";
import { AuditLogDocument } from "@/gql/graphql";
import { usePages } from "@/lib/paging";
import { AuditExport } from "./audit-export";

const GROUPS = [
  { value: "", text: "All" },
  { value: "user.", text: "Accounts" },
  { value: "job.", text: "Jobs" },
  { value: "dataset.", text: "Data sets" },
  { value: "pipeline.", text: "Pipelines" },
  { value: "worker.", text: "Workers" },
  { value: "workspace.", text: "Workspaces" },
] as const;

/** Who did what; entries are never changed. */
export function Audit() {
  const [group, setGroup] = useState<(typeof GROUPS)[number]["value"]>("");
  const list = usePages(AuditLogDocument, { first: 50, action: group || null }, (data) => data.auditLog);
  return (
    <div className="grid grid-cols-1 gap-4">
      <Choice legend="Show entries about" options={GROUPS} value={group} choose={setGroup} />
      <AuditExport action={group} />
      <Listing list={list} what="Loading the audit log" empty={<Empty title="No such entries" />}>
        <Panel className="!p-0">
          <Table caption="Audit log" head={["When", "Who", "What", "On", "From", "More"]}>
            {list.items?.map((entry) => (
              <Row key={entry.id}>
                <Cell>
                  <Ago time={entry.at} />
                </Cell>
                <Cell plain>{entry.actorEmail ?? "–"}</Cell>
                <Cell>
                  <span className="font-mono text-sm">{entry.action}</span>
                </Cell>
                <Cell>{entry.objectType ?? "–"}</Cell>
                <Cell>{entry.address ?? "–"}</Cell>
                <Cell plain>
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
