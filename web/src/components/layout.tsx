import type { ReactNode } from "react";
import { useEffect } from "react";
import { messageOf } from "@/lib/refusal";
import { m } from "./messages";
import { Button, classes, Spinner } from "./ui";

interface HeaderProps {
  title: string;
  /** Whether the title is what somebody called it, which is in no language. */
  data?: boolean;
  note?: ReactNode;
  children?: ReactNode;
}

/** Title of a page, of the browser's tab, and what one can do here. */
export function PageHeader({ title, data, note, children }: HeaderProps) {
  useEffect(() => {
    document.title = `${title} · Karyaksham`;
  }, [title]);
  return (
    <header className="mb-5 flex flex-wrap items-start justify-between gap-3">
      <div className="min-w-0">
        <h1 translate={data ? "no" : undefined} className="text-2xl font-semibold tracking-tight break-words">
          {title}
        </h1>
        {note && <div className="mt-1 text-muted">{note}</div>}
      </div>
      {children && <div className="flex flex-wrap items-center gap-2">{children}</div>}
    </header>
  );
}

export function Panel({
  title,
  actions,
  children,
  className,
}: {
  title?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
}) {
  return (
    <section className={classes("min-w-0 rounded-xl border border-line bg-surface p-4", className)}>
      {(title || actions) && (
        <div className="mb-3 flex flex-wrap items-center justify-between gap-2">
          {title && <h2 className="font-semibold">{title}</h2>}
          {actions && <div className="flex items-center gap-2">{actions}</div>}
        </div>
      )}
      {children}
    </section>
  );
}

/** What a list shows while it has nothing: why, and the next step. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="grid justify-items-center gap-2 rounded-xl border border-dashed border-field px-6 py-12 text-center">
      <p className="text-lg font-medium">{title}</p>
      {children && <div className="grid max-w-prose justify-items-center gap-3 text-muted">{children}</div>}
    </div>
  );
}

export function Loading({ what = m.loading }: { what?: string }) {
  return (
    <div role="status" className="flex items-center justify-center gap-3 py-16 text-muted">
      <Spinner /> {what}…
    </div>
  );
}

const TONES = {
  bad: "border-bad bg-bad-tint",
  warn: "border-warn bg-warn-tint",
  info: "border-accent bg-tint",
};

/** A message in place. `hint` says what to do about it. */
export function Note({
  tone = "info",
  title,
  hint,
  children,
}: {
  tone?: keyof typeof TONES;
  title: ReactNode;
  hint?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <div
      role={tone === "bad" ? "alert" : "status"}
      className={classes("grid gap-1 rounded-lg border-l-4 px-4 py-3", TONES[tone])}
    >
      <p className="font-medium break-words first-letter:uppercase">{title}</p>
      {hint && <p className="break-words first-letter:uppercase">{hint}</p>}
      {children}
    </div>
  );
}

/** An error that kept a page from loading, with a way to try again. */
export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <Note tone="bad" title={m.couldNotBeLoaded} hint={messageOf(error)}>
      {retry && (
        <div className="mt-2">
          <Button small onClick={retry}>
            {m.tryAgain}
          </Button>
        </div>
      )}
    </Note>
  );
}

/** Facts as pairs of name and value. */
export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[repeat(auto-fit,minmax(9rem,1fr))] gap-x-6 gap-y-3">
      {facts.map(([name, value]) => (
        <div key={name} className="min-w-0">
          <dt className="text-sm text-muted">{name}</dt>
          <dd className="font-medium break-words tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
