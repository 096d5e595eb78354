import { type ReactNode, useEffect } from "react";
import { m } from "./messages";

/** The page around the two forms. */
export function AuthFrame({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Karyaksham`;
  }, [title]);
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <div className="grid w-full max-w-sm gap-5 rounded-2xl border border-line bg-surface p-7">
        <div className="grid gap-1">
          <p className="flex items-center gap-2 font-semibold text-accent">
            <img src="/favicon.svg" alt="" className="size-6" /> <span translate="no">Karyaksham</span>
          </p>
          <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
          <p className="text-muted">{m.whatThisIs}</p>
        </div>
        {children}
      </div>
    </main>
  );
}
