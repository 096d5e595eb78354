import { Link } from "@tanstack/react-router";
import { Ago } from "@/components/data";
import { Empty, Failed, Loading, PageHeader, Panel } from "@/components/layout";
import { Button, buttonClass } from "@/components/ui";
import { PipelinesDocument } from "@/gql/graphql";
import { usePages } from "@/lib/paging";
import { kindOf, parseSpec } from "./spec";

const NEW = { dataset: undefined, template: undefined };

/** A specification in few words: `filter → select → csv`. */
function describe(spec: unknown): string {
  const parsed = parseSpec(JSON.stringify(spec));
  if ("error" in parsed) return "";
  return [...parsed.spec.steps.map(kindOf), String(parsed.spec.output.format ?? "parquet")].join(" → ");
}

export function PipelinesPage() {
  const list = usePages(PipelinesDocument, { first: 50 }, (data) => data.pipelines);
  return (
    <>
      <PageHeader title="Pipelines">
        <Link to="/pipelines/new" search={NEW} className={buttonClass("primary")}>
          New pipeline
        </Link>
      </PageHeader>
      {list.error && <Failed error={list.error} retry={list.reload} />}
      {list.items === null && list.loading && <Loading what="Loading pipelines" />}
      {list.items?.length === 0 && (
        <Empty title="No pipelines yet">
          <p>A pipeline says what should happen to a data set: filter, select, aggregate, sort, convert.</p>
          <Link to="/pipelines/new" search={NEW} className={buttonClass()}>
            Make one
          </Link>
        </Empty>
      )}
      {list.items && list.items.length > 0 && (
        <Panel className="!p-0">
          <ul className="divide-y divide-line">
            {list.items.map((pipeline) => (
              <li key={pipeline.id} className="flex flex-wrap items-center justify-between gap-2 px-4 py-3">
                <div className="min-w-0">
                  <Link
                    to="/pipelines/$id"
                    params={{ id: pipeline.id }}
                    search={{ dataset: undefined }}
                    className="font-medium text-accent hover:underline"
                  >
                    {pipeline.name}
                  </Link>
                  <p className="text-sm text-muted">{describe(pipeline.spec)}</p>
                </div>
                <p className="text-sm text-muted">
                  version {pipeline.latestVersion.version}, <Ago time={pipeline.latestVersion.createdAt} />
                </p>
              </li>
            ))}
          </ul>
        </Panel>
      )}
      {list.hasMore && (
        <div className="mt-4 text-center">
          <Button onClick={list.more} busy={list.loading}>
            Show more
          </Button>
        </div>
      )}
    </>
  );
}
