import { Link } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { Ago } from "@/components/data";
import { Empty, Failed, Loading, PageHeader, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { type DatasetRowFragment, DatasetsDocument } from "@/gql/graphql";
import { bytes, count } from "@/lib/format";
import { usePages } from "@/lib/paging";
import { useStore } from "@/lib/store";
import { m } from "./messages";
import { DatasetBadge } from "./status";
import { useUploads } from "./upload/context";
import { DropZone } from "./upload/drop-zone";
import { InterruptedList, UploadList } from "./upload/list";

/** Inspection takes a moment after an upload; there is no subscription for data sets. */
const POLL = 1500;

export function DatasetsPage() {
  const list = usePages(DatasetsDocument, { first: 50 }, (data) => data.datasets);
  const uploads = useStore(useUploads().items);
  const done = uploads.filter((item) => item.state.status === "done").length;
  const inspecting = list.items?.some((item) => item.status === "INSPECTING") ?? false;
  const { reload } = list;
  const latest = useRef(reload);
  latest.current = reload;
  useEffect(() => {
    if (done > 0) latest.current();
  }, [done]);
  useEffect(() => {
    if (!inspecting) return;
    const timer = setInterval(() => latest.current(), POLL);
    return () => clearInterval(timer);
  }, [inspecting]);

  return (
    <>
      <PageHeader title={m.dataSets} />
      <div className="grid grid-cols-1 gap-4">
        <DropZone />
        <InterruptedList />
        <UploadList />
        {list.error && <Failed error={list.error} retry={list.reload} />}
        {list.items === null && list.loading && <Loading what={m.loadingDataSets} />}
        {list.items?.length === 0 && uploads.length === 0 && (
          <Empty title={m.noDataSetsYet}>
            <p>{m.howToBegin}</p>
          </Empty>
        )}
        {list.items && list.items.length > 0 && (
          <Panel className="relative overflow-x-auto !p-0">
            <Table items={list.items} />
          </Panel>
        )}
        {list.hasMore && (
          <div className="text-center">
            <Button onClick={list.more} busy={list.loading}>
              {m.showMore}
            </Button>
          </div>
        )}
      </div>
    </>
  );
}

function Table({ items }: { items: readonly DatasetRowFragment[] }) {
  return (
    <table className="w-full text-left">
      <thead className="text-sm text-muted">
        <tr>
          {[m.name, m.status, m.format, m.size, m.rows, m.uploaded].map((name) => (
            <th
              key={name}
              scope="col"
              className={`px-4 py-2 font-medium ${[m.size, m.rows].includes(name) ? "text-right" : ""}`}
            >
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={item.id} className="border-t border-line hover:bg-raised">
            <td className="max-w-80 truncate px-4 py-2.5">
              <Link
                to="/datasets/$id"
                params={{ id: item.id }}
                className="font-medium text-accent hover:underline"
                translate="no"
              >
                {item.name}
              </Link>
            </td>
            <td className="px-4 py-2.5 whitespace-nowrap">
              <DatasetBadge status={item.status} />
            </td>
            <td translate="no" className="px-4 py-2.5">
              {item.format ?? "–"}
            </td>
            <td className="px-4 py-2.5 text-right whitespace-nowrap tabular-nums">{bytes(item.sizeBytes)}</td>
            <td className="px-4 py-2.5 text-right whitespace-nowrap tabular-nums">
              {item.rowEstimate != null && !item.rowsExact && "≈ "}
              {count(item.rowEstimate)}
            </td>
            <td className="px-4 py-2.5 whitespace-nowrap text-muted">
              <Ago time={item.createdAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
