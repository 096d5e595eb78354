import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { Button, classes } from "@/components/ui";
import { signOut } from "@/features/auth/sign-out";
import { UploadDock } from "@/features/datasets/upload/dock";
import { usePageDrop } from "@/features/datasets/upload/drop";
import { WorkspaceSwitcher } from "@/features/workspaces/switcher";
import type { AccountFragment } from "@/gql/graphql";
import { session } from "@/lib/session";
import { useStore } from "@/lib/store";
import { ConnectionBar } from "./connection-bar";
import { m } from "./messages";

const PLACES = [
  { to: "/datasets", name: () => m.dataSets },
  { to: "/pipelines", name: () => m.pipelines },
  { to: "/jobs", name: () => m.jobs },
  { to: "/schedules", name: () => m.schedules },
  { to: "/webhooks", name: () => m.webhooks },
] as const;

const LINK = "rounded-lg px-3 py-1.5 font-medium text-muted hover:bg-raised hover:text-ink";
const ACTIVE = { className: "bg-tint !text-accent-strong" };

/** The frame of every page behind sign-in. */
export function Shell() {
  const current = useStore(session);
  usePageDrop();
  const place = useLocation();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new page moves the focus, as a full load would
  useEffect(() => {
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [place.pathname]);
  if (current.status !== "signedIn") return null; // the router is on its way to the sign-in page
  return (
    <div className="min-h-dvh">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-50 focus:rounded-lg focus:bg-surface focus:px-3 focus:py-2"
      >
        {m.toTheContent}
      </a>
      <header className="sticky top-0 z-20 border-b border-line bg-surface">
        <div className="mx-auto flex max-w-6xl flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2">
          <Link to="/datasets" className="mr-2 flex items-center gap-2 text-lg font-semibold">
            <img src="/favicon.svg" alt="" className="size-7" /> <span translate="no">Karyaksham</span>
          </Link>
          <nav aria-label={m.main} className="flex flex-wrap gap-1">
            {PLACES.map(({ to, name }) => (
              <Link key={to} to={to} className={LINK} activeProps={ACTIVE}>
                {name()}
              </Link>
            ))}
            {current.user.role === "ADMIN" && (
              <Link to="/admin" search={{ view: undefined }} className={LINK} activeProps={ACTIVE}>
                {m.status}
              </Link>
            )}
          </nav>
          <Account user={current.user} />
        </div>
      </header>
      <ConnectionBar />
      <main id="main" ref={main} tabIndex={-1} className="mx-auto max-w-6xl px-4 py-6 pb-28 outline-none">
        <Outlet />
      </main>
      <UploadDock hidden={place.pathname === "/datasets"} />
    </div>
  );
}

function Account({ user }: { user: AccountFragment }) {
  const [leaving, setLeaving] = useState(false);
  const out = async () => {
    setLeaving(true);
    await signOut();
  };
  return (
    <div className="ml-auto flex flex-wrap items-center gap-x-3 gap-y-1">
      <WorkspaceSwitcher userId={user.id} />
      <Link to="/account" className={classes(LINK, "text-sm")} activeProps={ACTIVE} title={user.email} translate="no">
        {user.name}
      </Link>
      <Button small onClick={out} busy={leaving}>
        {m.signOut}
      </Button>
    </div>
  );
}
