import { Link } from "@tanstack/react-router";
import { Ago } from "@/components/data";
import { JobBadge, type Status } from "@/components/job-badge";
import { Panel } from "@/components/layout";
import { Cell, Row, Table } from "@/components/table";
import type { DatasetPageQuery } from "@/gql/graphql";

type Detail = NonNullable<DatasetPageQuery["dataset"]>;

/** Where a data set comes from, and what was made of it. */
export function Lineage({ dataset }: { dataset: Detail }) {
  return (
    <Panel title="Where it comes from, what reads it">
      <p className="mb-2 text-muted">
        {dataset.sourceJobId ? (
          <>
            Made by{" "}
            <Link to="/jobs/$id" params={{ id: dataset.sourceJobId }} className="text-accent underline">
              a job
            </Link>
            .
          </>
        ) : (
          "Uploaded."
        )}
        {dataset.usedBy.length === 0 && " No job has read it yet."}
      </p>
      {dataset.usedBy.length > 0 && (
        <Table caption="Jobs that read the data set" head={["Job", "Status", "Made"]}>
          {dataset.usedBy.map((use) => (
            <Row key={use.jobId}>
              <Cell plain>
                <Link to="/jobs/$id" params={{ id: use.jobId }} className="font-medium text-accent hover:underline">
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
