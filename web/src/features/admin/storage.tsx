import { Ago, Progress } from "@/components/data";
import { Facts, Panel } from "@/components/layout";
import { Cell, Row, Table } from "@/components/table";
import type { HealthFragment } from "@/gql/graphql";
import { bytes } from "@/lib/format";
import { m } from "./messages";

/** What is kept, and whose it is. */
export function Storage({ storage }: { storage: HealthFragment["storage"] }) {
  return (
    <div className="grid grid-cols-1 gap-4">
      <Panel title={m.inStorage}>
        <Facts
          facts={[
            [m.all, bytes(storage.totalBytes)],
            [m.dataSets, bytes(storage.datasetBytes)],
            [m.results, bytes(storage.resultBytes)],
            [m.summedUp, <Ago key="at" time={storage.at} />],
          ]}
        />
      </Panel>
      <Panel title={m.byWorkspace}>
        {storage.workspaces.length === 0 ? (
          <p className="text-muted">{m.nothingIsKeptYet}</p>
        ) : (
          <Table
            caption={m.storageByWorkspace}
            head={[m.workspace, m.share, m.all, m.dataSets, m.results]}
            right={[m.all, m.dataSets, m.results]}
          >
            {storage.workspaces.map((each) => (
              <Row key={each.workspaceId}>
                <Cell plain data>
                  {each.name}
                </Cell>
                <Cell>
                  <div className="w-32 pt-2">
                    <Progress
                      value={storage.totalBytes > 0 ? each.totalBytes / storage.totalBytes : 0}
                      label={m.shareOf({ name: each.name })}
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
