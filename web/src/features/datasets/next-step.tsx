import { Link } from "@tanstack/react-router";
import { Panel } from "@/components/layout";
import { TEMPLATES } from "@/lib/templates";
import { m } from "./messages";

/** What most people do next with a data set: each is a pipeline that is made already, and fits its columns. */
export function NextStep({ id, lines }: { id: string; lines: boolean }) {
  // of a log one keeps lines, a table one converts: what fits stands first
  const offered = lines ? TEMPLATES : [...TEMPLATES.slice(1), ...TEMPLATES.slice(0, 1)];
  return (
    <Panel title={m.whatShouldHappen}>
      <ul className="grid gap-3 sm:grid-cols-3">
        {offered.map((template) => (
          <li key={template.id}>
            <Link
              to="/pipelines/new"
              search={{ dataset: id, template: template.id }}
              className="block h-full rounded-xl border border-line p-4 hover:border-accent hover:bg-tint"
            >
              <span className="block font-semibold">{template.title()}</span>
              <span className="text-sm text-muted">{template.text()}</span>
            </Link>
          </li>
        ))}
      </ul>
      <p className="mt-3 text-sm text-muted">{m.eachIsABeginning}</p>
    </Panel>
  );
}
