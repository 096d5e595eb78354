import { diffLines } from "diff";
import { useEffect, useState } from "react";
import { useQuery } from "urql";
import { Ago } from "@/components/data";
import { Failed, Loading, Panel } from "@/components/layout";
import { Button, classes } from "@/components/ui";
import { PipelineVersionsDocument, type PipelineVersionsQuery } from "@/gql/graphql";
import { fromCombined } from "@/lib/refusal";
import { m } from "./messages";
import { parseSpec, type Spec } from "./spec";

type Version = NonNullable<PipelineVersionsQuery["pipeline"]>["versions"]["nodes"][number];

interface Props {
  pipelineId: string;
  /** The newest version that was saved: another one is another list. */
  latest: number | null;
  spec: Spec;
  restore: (spec: Spec) => void;
}

/** What the pipeline said before, beside what it says now. */
export function Versions({ pipelineId, latest, spec, restore }: Props) {
  const [chosen, setChosen] = useState<number | null>(null);
  const [{ data, error }, again] = useQuery({
    query: PipelineVersionsDocument,
    variables: { id: pipelineId, first: 50 },
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a newer version is a longer list
  useEffect(() => again({ requestPolicy: "network-only" }), [latest]);
  const versions = data?.pipeline?.versions.nodes;
  const shown = versions?.find(({ version }) => version === chosen);
  return (
    <Panel title={m.versions}>
      {error && !versions && (
        <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />
      )}
      {!versions && !error && <Loading what={m.loadingVersions} />}
      <ul className="divide-y divide-line">
        {versions?.map((each) => (
          <li key={each.id} className="flex flex-wrap items-center justify-between gap-2 py-2">
            <span>{m.versionAndAge({ version: each.version, ago: <Ago time={each.createdAt} /> })}</span>
            <Button
              small
              aria-expanded={each.version === chosen}
              onClick={() => setChosen(each.version === chosen ? null : each.version)}
            >
              {m.compareVersion({ version: each.version })}
            </Button>
          </li>
        ))}
      </ul>
      {shown && <Comparison version={shown} spec={spec} restore={restore} />}
    </Panel>
  );
}

function Comparison({ version, spec, restore }: { version: Version; spec: Spec; restore: (spec: Spec) => void }) {
  const parsed = parseSpec(JSON.stringify(version.spec));
  if ("error" in parsed) return <p className="text-muted">{parsed.error}</p>;
  const parts = diffLines(`${pretty(parsed.spec)}\n`, `${pretty(spec)}\n`);
  const same = parts.every((part) => !part.added && !part.removed);
  return (
    <div className="mt-3 grid grid-cols-1 gap-3">
      <p className="text-sm text-muted">
        {same ? m.sameAsVersion({ version: version.version }) : m.fromVersion({ version: version.version })}
      </p>
      {!same && (
        <>
          <section
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
            tabIndex={0}
            translate="no"
            aria-label={m.changesSinceVersion({ version: version.version })}
            className="max-h-96 overflow-auto rounded-lg bg-raised py-2 font-mono text-sm whitespace-pre"
          >
            {parts.map((part, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: parts of a comparison never move
              <Part key={index} part={part} />
            ))}
          </section>
          <div>
            <Button small onClick={() => restore(parsed.spec)}>
              {m.goBackToVersion({ version: version.version })}
            </Button>
          </div>
        </>
      )}
    </div>
  );
}

function Part({ part }: { part: { value: string; added: boolean; removed: boolean } }) {
  const sign = part.added ? "+" : part.removed ? "−" : " ";
  const Tag = part.added ? "ins" : part.removed ? "del" : "span";
  return (
    <Tag
      className={classes(
        "block px-3 no-underline",
        part.added && "bg-good-tint text-good",
        part.removed && "bg-bad-tint text-bad",
      )}
    >
      {part.value
        .trimEnd()
        .split("\n")
        .map((line) => `${sign} ${line}`)
        .join("\n")}
    </Tag>
  );
}

/** Two specifications that mean the same differ in nothing here: fields stand in one order. */
export function pretty(spec: unknown): string {
  const sorted = (_: string, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value;
  return JSON.stringify(spec, sorted, 2);
}
