import type { ColumnInfo, Spec } from "./spec";
import { TEMPLATES } from "./templates";

interface Props {
  schema: readonly ColumnInfo[] | null;
  choose: (title: string, spec: Spec) => void;
}

export function TemplateChoice({ schema, choose }: Props) {
  return (
    <section aria-label="Templates" className="grid gap-3 sm:grid-cols-3">
      {TEMPLATES.map((template) => (
        <button
          key={template.id}
          type="button"
          onClick={() => choose(template.title, template.spec(schema))}
          className="rounded-xl border border-line bg-surface p-4 text-left hover:border-accent hover:bg-tint"
        >
          <span className="block font-semibold">{template.title}</span>
          <span className="text-sm text-muted">{template.text}</span>
        </button>
      ))}
    </section>
  );
}
