import { Ago, Progress } from "@/components/data";
import { Facts, Panel } from "@/components/layout";
import { Cell, Row, Table } from "@/components/table";
import type { HealthFragment } from "@/gql/graphql";
import { bytes } from "@/lib/format";

/** What is kept, and whose it is. */
export function Storage({ storage }: { storage: HealthFragment["storage"] }) {
  return (
    <div className="grid grid-cols-1 gap-4">
      <Panel title="In storage">
        <Facts
          facts={[
            ["All", bytes(storage.totalBytes)],
            ["Data sets", bytes(storage.datasetBytes)],
            ["Results", bytes(storage.resultBytes)],
            ["Summed up", <Ago key="at" time={storage.at} />],
          ]}
        />
      </Panel>
      <Panel title="By workspace">
        {storage.workspaces.length === 0 ? (
          <p className="text-muted">Nothing is kept yet.</p>
        ) : (
          <Table
            caption="Storage by workspace"
            head={["Workspace", "Share", "All", "Data sets", "Results"]}
            right={["All", "Data sets", "Results"]}
          >
            {storage.workspaces.map((each) => (
              <Row key={each.workspaceId}>
                <Cell plain>{each.name}</Cell>
                <Cell>
                  <div className="w-32 pt-2">
                    <Progress
                      value={storage.totalBytes > 0 ? each.totalBytes / storage.totalBytes : 0}
                      label={`Share of ${each.name}`}
                    />
                  </div>
                </Cell>
                <Cell right>{bytes(each.totalBytes)}</Cell>
                <Cell right>{bytes(each.datasetBytes)}</Cell>
                <Cell right>{bytes(each.resultBytes)}</Cell>
              </Row>
            ))}
          </Table>
        )}
      </Panel>
    </div>
  );
}
