import { Link } from "@tanstack/react-router";
import { Ago } from "@/components/data";
import { JobBadge, type Status } from "@/components/job-badge";
import { Panel } from "@/components/layout";
import { Cell, Row, Table } from "@/components/table";
import type { DatasetPageQuery } from "@/gql/graphql";
import { m } from "./messages";

type Detail = NonNullable<DatasetPageQuery["dataset"]>;

/** Where a data set comes from, and what was made of it. */
export function Lineage({ dataset }: { dataset: Detail }) {
  return (
    <Panel title={m.lineage}>
      <p className="mb-2 text-muted">
        {dataset.sourceJobId
          ? m.madeBy({
              job: (
                <Link to="/jobs/$id" params={{ id: dataset.sourceJobId }} className="text-accent underline">
                  {m.aJob}
                </Link>
              ),
            })
          : m.comesFromUpload}
        {dataset.usedBy.length === 0 && ` ${m.noJobReadYet}`}
      </p>
      {dataset.usedBy.length > 0 && (
        <Table caption={m.jobsThatReadIt} head={[m.job, m.status, m.made]}>
          {dataset.usedBy.map((use) => (
            <Row key={use.jobId}>
              <Cell plain>
                <Link
                  to="/jobs/$id"
                  params={{ id: use.jobId }}
                  className="font-medium text-accent hover:underline"
                  translate="no"
                >
                  {use.name}
                </Link>
              </Cell>
              <Cell>
                <JobBadge status={use.status as Status} />
              </Cell>
              <Cell>
                <Ago time={use.createdAt} />
              </Cell>
            </Row>
          ))}
        </Table>
      )}
    </Panel>
  );
}
