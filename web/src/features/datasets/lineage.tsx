import { Link } from "@tanstack/react-router";
import { Ago, Data } from "@/components/data";
import { JobBadge, type Status } from "@/components/job-badge";
import { Panel } from "@/components/layout";
import { Cell, Row, Table } from "@/components/table";
import type { DatasetPageQuery } from "@/gql/graphql";
import { m } from "./messages";

type Detail = NonNullable<DatasetPageQuery["dataset"]>;

/** The upload or the job; one that was deleted is known by its name. */
function Source({ dataset: { sourceJobId, origin } }: { dataset: Detail }) {
  if (!sourceJobId && !origin) return m.comesFromUpload;
  const name = origin ? <Data>{origin.jobName}</Data> : m.aJob;
  const job = sourceJobId ? (
    <Link to="/jobs/$id" params={{ id: sourceJobId }} className="text-accent underline">
      {name}
    </Link>
  ) : (
    <span>{m.jobIsDeleted({ name })}</span>
  );
  if (!origin) return m.madeBy({ job });
  const values = origin.partition.map(({ column, value }) => `${column} = ${value ?? "null"}`).join(", ");
  return (
    <>
      {m.madeOfResult({ job, file: <Data>{origin.file}</Data> })}
      {values && <> {m.partitionIs({ values: <Data>{values}</Data> })}</>}
    </>
  );
}

/** Where a data set comes from, and what was made of it. */
export function Lineage({ dataset }: { dataset: Detail }) {
  return (
    <Panel title={m.lineage}>
      <p className="mb-2 text-muted">
        <Source dataset={dataset} />
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
