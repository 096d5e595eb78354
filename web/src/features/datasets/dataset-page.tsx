import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { useClient, useQuery } from "urql";
import { Confirm } from "@/components/confirm";
import { Ago } from "@/components/data";
import { Grid } from "@/components/grid";
import { Empty, Facts, Failed, Loading, Note, PageHeader, Panel } from "@/components/layout";
import { buttonClass } from "@/components/ui";
import { Words } from "@/components/words";
import { DatasetPageDocument, type DatasetPageQuery, DeleteDatasetDocument } from "@/gql/graphql";
import { act } from "@/lib/client";
import { bytes, count } from "@/lib/format";
import { fromCombined } from "@/lib/refusal";
import { Lineage } from "./lineage";
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
  if (!dataset && fetching) return <Loading what="Loading the data set" />;
  if (!dataset) {
    return (
      <Empty title="There is no such data set.">
        <Link to="/datasets" className={buttonClass()}>
          All data sets
        </Link>
      </Empty>
    );
  }
  return <Page dataset={dataset} />;
}

function Page({ dataset }: { dataset: Detail }) {
  return (
    <>
      <PageHeader title={dataset.name} note={<DatasetBadge status={dataset.status} />}>
        {dataset.status === "READY" && (
          <Link
            to="/pipelines/new"
            search={{ dataset: dataset.id, template: undefined }}
            className={buttonClass("primary")}
          >
            New pipeline
          </Link>
        )}
        <a href={dataset.url} className={buttonClass()} download>
          Download
        </a>
        <Remove id={dataset.id} />
      </PageHeader>
      <div className="grid grid-cols-1 gap-4">
        {dataset.status === "INSPECTING" && (
          <Note title="Format, columns and types are being found out." hint="This takes a moment." />
        )}
        {dataset.error && (
          <Note
            tone="bad"
            title={<Words text={dataset.error.message} />}
            hint={dataset.error.hint && <Words text={dataset.error.hint} />}
          >
            <p className="text-sm">Code {dataset.error.code}</p>
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
          <Panel title="First rows">
            <Grid
              columns={dataset.preview.columns}
              rows={dataset.preview.rows}
              types={new Map(dataset.schema?.map((column) => [column.name, column.type]))}
              caption={`First rows of ${dataset.name}`}
            />
          </Panel>
        )}
        {dataset.status === "READY" && <ProfilePanel key={dataset.id} id={dataset.id} />}
        <Lineage dataset={dataset} />
      </div>
    </>
  );
}

const NAMES: Record<string, string> = { "\t": "tab", ",": "comma", ";": "semicolon", "|": "bar", " ": "space" };

function facts(dataset: Detail): [string, React.ReactNode][] {
  const { dialect } = dataset;
  const rows = `${dataset.rowEstimate != null && !dataset.rowsExact ? "≈ " : ""}${count(dataset.rowEstimate)}`;
  const list: [string, React.ReactNode][] = [
    ["Size", bytes(dataset.sizeBytes)],
    ["Rows", rows],
    ["Columns", dataset.schema ? count(dataset.schema.length) : "–"],
    ["Format", [dataset.format, dataset.compression].filter((part) => part && part !== "none").join(", ") || "–"],
    ["Uploaded", <Ago key="ago" time={dataset.createdAt} />],
  ];
  if (dataset.encoding) list.push(["Encoding", dataset.encoding]);
  if (dialect?.delimiter) list.push(["Delimiter", NAMES[dialect.delimiter] ?? dialect.delimiter]);
  if (dialect?.quote) list.push(["Quote", dialect.quote]);
  if (dialect?.header != null) list.push(["Header row", dialect.header ? "yes" : "no"]);
  return list;
}

function Columns({ schema }: { schema: NonNullable<Detail["schema"]> }) {
  return (
    <Panel title={`Columns (${schema.length})`} className="relative overflow-x-auto">
      <table className="w-full text-left">
        <thead className="text-sm text-muted">
          <tr>
            {["Name", "Type", "Empty values", "Why this type"].map((name) => (
              <th key={name} scope="col" className="py-1.5 pr-4 font-medium">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {schema.map((column) => (
            <tr key={column.name} className="border-t border-line align-top">
              <td className="py-1.5 pr-4 font-medium break-words">{column.name}</td>
              <td className="py-1.5 pr-4 font-mono text-sm">{column.type}</td>
              <td className="py-1.5 pr-4">{column.nullable ? "possible" : "none"}</td>
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
  return <Confirm label="Delete" question="Really delete?" act={remove} />;
}
