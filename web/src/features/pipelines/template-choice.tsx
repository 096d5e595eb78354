import { classes } from "@/components/ui";
import { TEMPLATES } from "@/lib/templates";
import { m } from "./messages";
import type { ColumnInfo, Spec } from "./spec";
import { SPECS } from "./templates";

interface Props {
  schema: readonly ColumnInfo[] | null;
  /** The specification of now: the template that it still is stands out. */
  current: Spec;
  choose: (title: string, spec: Spec) => void;
}

export function TemplateChoice({ schema, current, choose }: Props) {
  const text = JSON.stringify(current);
  const chosen = TEMPLATES.find(({ id }) => JSON.stringify(SPECS[id](schema)) === text)?.id;
  return (
    <section aria-label={m.templates} className="grid gap-3 sm:grid-cols-3">
      {TEMPLATES.map((template) => (
        <button
          key={template.id}
          type="button"
          onClick={() => choose(template.title(), SPECS[template.id](schema))}
          aria-pressed={template.id === chosen}
          className={classes(
            "rounded-xl border p-4 text-left hover:border-accent hover:bg-tint",
            template.id === chosen ? "border-accent bg-tint" : "border-line bg-surface",
          )}
        >
          <span className="block font-semibold">{template.title()}</span>
          <span className="text-sm text-muted">{template.text()}</span>
        </button>
      ))}
    </section>
  );
}
