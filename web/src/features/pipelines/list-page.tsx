import { Link } from "@tanstack/react-router";
import { Ago } from "@/components/data";
import { Empty, Failed, Loading, PageHeader, Panel } from "@/components/layout";
import { Button, buttonClass } from "@/components/ui";
import { PipelinesDocument } from "@/gql/graphql";
import { usePages } from "@/lib/paging";
import { m } from "./messages";
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
      <PageHeader title={m.pipelines}>
        <Link to="/pipelines/new" search={NEW} className={buttonClass("primary")}>
          {m.newPipeline}
        </Link>
      </PageHeader>
      {list.error && <Failed error={list.error} retry={list.reload} />}
      {list.items === null && list.loading && <Loading what={m.loadingPipelines} />}
      {list.items?.length === 0 && (
        <Empty title={m.noPipelinesYet}>
          <p>{m.whatAPipelineIs}</p>
          <Link to="/pipelines/new" search={NEW} className={buttonClass()}>
            {m.makeOne}
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
                    translate="no"
                  >
                    {pipeline.name}
                  </Link>
                  <p translate="no" className="text-sm text-muted">
                    {describe(pipeline.spec)}
                  </p>
                </div>
                <p className="text-sm text-muted">
                  {m.versionAndAgeInText({
                    version: pipeline.latestVersion.version,
                    ago: <Ago time={pipeline.latestVersion.createdAt} />,
                  })}
                </p>
              </li>
            ))}
          </ul>
        </Panel>
      )}
      {list.hasMore && (
        <div className="mt-4 text-center">
          <Button onClick={list.more} busy={list.loading}>
            {m.showMore}
          </Button>
        </div>
      )}
    </>
  );
}
