import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { useClient, useQuery } from "urql";
import { Confirm } from "@/components/confirm";
import { Ago, Data } from "@/components/data";
import { Grid } from "@/components/grid";
import { Empty, Facts, Failed, Loading, Note, PageHeader, Panel } from "@/components/layout";
import { buttonClass } from "@/components/ui";
import { Words } from "@/components/words";
import { DatasetPageDocument, type DatasetPageQuery, DeleteDatasetDocument } from "@/gql/graphql";
import { act } from "@/lib/client";
import { bytes, count } from "@/lib/format";
import { fromCombined } from "@/lib/refusal";
import { Lineage } from "./lineage";
import { m } from "./messages";
import { NextStep } from "./next-step";
import { ProfilePanel } from "./profile";
import { DatasetBadge } from "./status";

type Detail = NonNullable<DatasetPageQuery["dataset"]>;

export function DatasetPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const [{ data, error, fetching }, again] = useQuery({ query: DatasetPageDocument, variables: { id } });
  const dataset = data?.dataset;
  const inspecting = dataset?.status === "INSPECTING";
  useEffect(() => {
    if (!inspecting) return;
    const timer = setInterval(() => again({ requestPolicy: "network-only" }), 1000);
    return () => clearInterval(timer);
  }, [inspecting, again]);

  if (error && !dataset)
    return <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />;
  if (!dataset && fetching) return <Loading what={m.loadingTheDataSet} />;
  if (!dataset) {
    return (
      <Empty title={m.noSuchDataSet}>
        <Link to="/datasets" className={buttonClass()}>
          {m.allDataSets}
        </Link>
      </Empty>
    );
  }
  return <Page dataset={dataset} />;
}

function Page({ dataset }: { dataset: Detail }) {
  return (
    <>
      <PageHeader title={dataset.name} data note={<DatasetBadge status={dataset.status} />}>
        {dataset.status === "READY" && (
          <Link
            to="/pipelines/new"
            search={{ dataset: dataset.id, template: undefined }}
            className={buttonClass("primary")}
          >
            {m.newPipeline}
          </Link>
        )}
        <a href={dataset.url} className={buttonClass()} download>
          {m.download}
        </a>
        <Remove id={dataset.id} />
      </PageHeader>
      <div className="grid grid-cols-1 gap-4">
        {dataset.status === "INSPECTING" && <Note title={m.beingInspected} hint={m.thisTakesAMoment} />}
        {dataset.error && (
          <Note
            tone="bad"
            title={<Words text={dataset.error.message} />}
            hint={dataset.error.hint && <Words text={dataset.error.hint} />}
          >
            <p className="text-sm">{m.code({ code: dataset.error.code })}</p>
          </Note>
        )}
        {dataset.warnings.map((warning) => (
          <Note key={warning} tone="warn" title={<Words text={warning} />} />
        ))}
        <Panel>
          <Facts facts={facts(dataset)} />
        </Panel>
        {dataset.status === "READY" && <NextStep id={dataset.id} lines={dataset.format === "lines"} />}
        {dataset.schema && <Columns schema={dataset.schema} />}
        {dataset.preview && dataset.preview.columns.length > 0 && (
          <Panel title={m.firstRows}>
            <Grid
              columns={dataset.preview.columns}
              rows={dataset.preview.rows}
              types={new Map(dataset.schema?.map((column) => [column.name, column.type]))}
              caption={m.firstRowsOf({ name: dataset.name })}
            />
          </Panel>
        )}
        {dataset.status === "READY" && <ProfilePanel key={dataset.id} id={dataset.id} />}
        <Lineage dataset={dataset} />
      </div>
    </>
  );
}

const NAMES: Record<string, () => string> = {
  "\t": () => m.tab,
  ",": () => m.comma,
  ";": () => m.semicolon,
  "|": () => m.bar,
  " ": () => m.space,
};

function facts(dataset: Detail): [string, React.ReactNode][] {
  const { dialect } = dataset;
  const packed = [dataset.format, dataset.compression];
  const rows = `${dataset.rowEstimate != null && !dataset.rowsExact ? "≈ " : ""}${count(dataset.rowEstimate)}`;
  const list: [string, React.ReactNode][] = [
    [m.size, bytes(dataset.sizeBytes)],
    [m.rows, rows],
    [m.columns, dataset.schema ? count(dataset.schema.length) : "–"],
    [m.format, <Data key="format">{packed.filter((part) => part && part !== "none").join(", ") || "–"}</Data>],
    [dataset.origin ? m.made : m.uploaded, <Ago key="ago" time={dataset.createdAt} />],
  ];
  if (dataset.encoding) list.push([m.encoding, <Data key="encoding">{dataset.encoding}</Data>]);
  if (dialect?.delimiter) list.push([m.delimiter, NAMES[dialect.delimiter]?.() ?? dialect.delimiter]);
  if (dialect?.quote) list.push([m.quote, dialect.quote]);
  if (dialect?.header != null) list.push([m.headerRow, dialect.header ? m.yes : m.no]);
  return list;
}

function Columns({ schema }: { schema: NonNullable<Detail["schema"]> }) {
  return (
    <Panel title={m.columnsNumber({ number: schema.length })} className="relative overflow-x-auto">
      <table className="w-full text-left">
        <thead className="text-sm text-muted">
          <tr>
            {[m.name, m.type, m.emptyValues, m.whyThisType].map((name) => (
              <th key={name} scope="col" className="py-1.5 pr-4 font-medium">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {schema.map((column) => (
            <tr key={column.name} className="border-t border-line align-top">
              <td translate="no" className="py-1.5 pr-4 font-medium break-words">
                {column.name}
              </td>
              <td translate="no" className="py-1.5 pr-4 font-mono text-sm">
                {column.type}
              </td>
              <td className="py-1.5 pr-4">{column.nullable ? m.possible : m.none}</td>
              <td className="py-1.5 text-muted">
                <Words text={column.reason ?? "–"} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function Remove({ id }: { id: string }) {
  const client = useClient();
  const navigate = useNavigate();
  const remove = async () => {
    await act(client, DeleteDatasetDocument, { input: { id } });
    await navigate({ to: "/datasets" });
  };
  return <Confirm label={m.delete} question={m.reallyDelete} act={remove} />;
}
