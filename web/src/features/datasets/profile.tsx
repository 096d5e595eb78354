import { useState } from "react";
import { useClient } from "urql";
import { Note, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { Words } from "@/components/words";
import { ProfileDatasetDocument, type ProfileDatasetQuery } from "@/gql/graphql";
import { count } from "@/lib/format";
import { fromCombined, Refusal } from "@/lib/refusal";
import { useAction } from "@/lib/use-action";
import { heights, part, told, value } from "./figures";
import { m } from "./messages";

type Profile = Extract<ProfileDatasetQuery["profileDataset"], { __typename: "DatasetProfile" }>;
type ColumnProfile = Profile["columns"][number];

/** What each column holds, counted over all rows; asked for, as it reads the whole file. */
export function ProfilePanel({ id }: { id: string }) {
  const client = useClient();
  const action = useAction();
  const [profile, setProfile] = useState<Profile | null>(null);
  const look = () =>
    action.run(async () => {
      const result = await client.query(ProfileDatasetDocument, { input: { id } }).toPromise();
      if (result.error) throw fromCombined(result.error);
      const answer = result.data?.profileDataset;
      if (answer?.__typename !== "DatasetProfile") throw new Refusal(answer?.code ?? "", answer?.message ?? m.noAnswer);
      setProfile(answer);
    });
  return (
    <Panel
      title={m.whatTheColumnsHold}
      actions={
        !profile && (
          <Button small onClick={look} busy={action.busy}>
            {m.profileAllRows}
          </Button>
        )
      }
    >
      {action.refusal && <Note tone="bad" title={<Words text={action.refusal.message} />} />}
      {!profile && !action.refusal && <p className="text-muted">{action.busy ? m.everyRowIsRead : m.whatAProfileIs}</p>}
      {profile && (
        <div className="grid grid-cols-1 gap-3">
          <p className="text-muted" role="status">
            {profile.rowsRejected > 0
              ? m.rowsCountedSome({ count: profile.rows, rejected: profile.rowsRejected })
              : m.rowsCounted({ count: profile.rows })}
          </p>
          <ul className="grid gap-3 md:grid-cols-2" aria-label={m.columnsAndWhatTheyHold}>
            {profile.columns.map((column) => (
              <ColumnCard key={column.name} column={column} rows={profile.rows} />
            ))}
          </ul>
        </div>
      )}
    </Panel>
  );
}

function ColumnCard({ column, rows }: { column: ColumnProfile; rows: number }) {
  const median = column.quantiles.find(({ p }) => p === 0.5)?.value;
  const facts: [string, string][] = [
    [m.empty, part(column.nulls, rows)],
    [m.different, column.distinct === null ? "–" : `${column.distinctExact ? "" : "≈ "}${count(column.distinct)}`],
    [m.least, value(column.min)],
    [m.greatest, value(column.max)],
  ];
  if (median !== undefined) facts.push([m.median, value(median)]);
  if (column.mean !== null) facts.push([m.mean, value(column.mean)]);
  if (column.longest !== null)
    facts.push([
      m.characters,
      m.charactersFromTo({ shortest: count(column.shortest), longest: count(column.longest) }),
    ]);
  // of a column in which no value comes twice, none is frequent
  const frequent = column.topValues.filter((each) => each.count > 1).slice(0, 5);
  return (
    <li className="grid content-start gap-3 rounded-lg border border-line p-3 [contain-intrinsic-size:auto_14rem] [content-visibility:auto]">
      <h3 translate="no" className="flex flex-wrap items-baseline justify-between gap-2">
        <span className="font-semibold break-words">{column.name}</span>
        <span className="font-mono text-sm text-muted">{column.type}</span>
      </h3>
      <dl className="grid grid-cols-2 gap-x-4 gap-y-1 text-sm">
        {facts.map(([name, fact]) => (
          <div key={name} className="flex min-w-0 justify-between gap-2">
            <dt className="text-muted">{name}</dt>
            <dd translate="no" className="truncate font-medium tabular-nums" title={fact}>
              {fact}
            </dd>
          </div>
        ))}
      </dl>
      {column.histogram.length > 1 && <Histogram column={column} />}
      {frequent.length > 0 && <TopValues column={column} values={frequent} />}
    </li>
  );
}

function Histogram({ column }: { column: ColumnProfile }) {
  const bars = heights(column.histogram);
  return (
    <div>
      <div role="img" aria-label={told(column.name, column.histogram)} className="flex h-20 items-end gap-px">
        {column.histogram.map((bin, index) => (
          <div
            key={`${value(bin.lower)} ${value(bin.upper)}`}
            className="min-w-0 flex-1 bg-accent"
            style={{ height: `${(bars[index] ?? 0) * 100}%` }}
            title={m.bin({ lower: value(bin.lower), upper: value(bin.upper), number: count(bin.count) })}
          />
        ))}
      </div>
      <div translate="no" className="flex justify-between text-xs text-muted tabular-nums">
        <span>{value(column.histogram[0]?.lower)}</span>
        <span>{value(column.histogram.at(-1)?.upper)}</span>
      </div>
    </div>
  );
}

function TopValues({ column, values }: { column: ColumnProfile; values: ColumnProfile["topValues"] }) {
  const most = Math.max(...values.map((each) => each.count));
  return (
    <ol className="grid gap-1 text-sm" aria-label={m.mostFrequentValuesOf({ name: column.name })}>
      {values.map((each) => (
        <li key={value(each.value)} className="relative flex justify-between gap-3 overflow-hidden rounded px-2 py-0.5">
          <span
            aria-hidden="true"
            className="absolute inset-y-0 left-0 bg-tint"
            style={{ width: `${(each.count / most) * 100}%` }}
          />
          <span className="relative truncate" translate="no">
            {value(each.value) || m.emptyText}
          </span>
          <span className="relative tabular-nums">
            {column.topValuesError > 0 && "≥ "}
            {part(each.count, column.count)}
          </span>
        </li>
      ))}
    </ol>
  );
}
