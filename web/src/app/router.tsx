import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Navigate,
  redirect,
} from "@tanstack/react-router";
import { SignInPage, SignUpPage } from "@/features/auth/pages";
import { session } from "@/lib/session";
import { NotFound, PageError } from "./errors";
import { Shell } from "./shell";

const root = createRootRoute();

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  component: SignInPage,
  validateSearch: next,
  beforeLoad: ({ search }) => onward(search.next),
});
const signUp = createRoute({
  getParentRoute: () => root,
  path: "/sign-up",
  component: SignUpPage,
  validateSearch: next,
  beforeLoad: ({ search }) => onward(search.next),
});

/** Everything behind sign-in. */
const shell = createRoute({
  getParentRoute: () => root,
  id: "shell",
  component: Shell,
  beforeLoad: ({ location }) => {
    if (session.get().status === "signedIn") return;
    const place = location.href === "/" ? undefined : location.href;
    throw redirect({ to: "/sign-in", search: { next: place }, replace: true });
  },
});
const home = createRoute({
  getParentRoute: () => shell,
  path: "/",
  component: () => <Navigate to="/datasets" replace />,
});

const datasets = createRoute({
  getParentRoute: () => shell,
  path: "/datasets",
  component: lazyRouteComponent(() => import("@/features/datasets/list-page"), "DatasetsPage"),
});
const dataset = createRoute({
  getParentRoute: () => shell,
  path: "/datasets/$id",
  component: lazyRouteComponent(() => import("@/features/datasets/dataset-page"), "DatasetPage"),
});
const pipelines = createRoute({
  getParentRoute: () => shell,
  path: "/pipelines",
  component: lazyRouteComponent(() => import("@/features/pipelines/list-page"), "PipelinesPage"),
});
const newPipeline = createRoute({
  getParentRoute: () => shell,
  path: "/pipelines/new",
  component: lazyRouteComponent(() => import("@/features/pipelines/editor-page"), "NewPipelinePage"),
  validateSearch: (search: Record<string, unknown>) => ({
    dataset: text(search.dataset),
    template: text(search.template),
  }),
});
const pipeline = createRoute({
  getParentRoute: () => shell,
  path: "/pipelines/$id",
  component: lazyRouteComponent(() => import("@/features/pipelines/editor-page"), "PipelinePage"),
  validateSearch: (search: Record<string, unknown>) => ({ dataset: text(search.dataset) }),
});
const jobs = createRoute({
  getParentRoute: () => shell,
  path: "/jobs",
  component: lazyRouteComponent(() => import("@/features/jobs/list-page"), "JobsPage"),
});
const job = createRoute({
  getParentRoute: () => shell,
  path: "/jobs/$id",
  component: lazyRouteComponent(() => import("@/features/jobs/job-page"), "JobPage"),
});
const schedules = createRoute({
  getParentRoute: () => shell,
  path: "/schedules",
  component: lazyRouteComponent(() => import("@/features/schedules/list-page"), "SchedulesPage"),
});
const newSchedule = createRoute({
  getParentRoute: () => shell,
  path: "/schedules/new",
  component: lazyRouteComponent(() => import("@/features/schedules/new-page"), "NewSchedulePage"),
  validateSearch: (search: Record<string, unknown>) => ({ pipeline: text(search.pipeline) }),
});
const schedule = createRoute({
  getParentRoute: () => shell,
  path: "/schedules/$id",
  component: lazyRouteComponent(() => import("@/features/schedules/schedule-page"), "SchedulePage"),
});
const webhooks = createRoute({
  getParentRoute: () => shell,
  path: "/webhooks",
  component: lazyRouteComponent(() => import("@/features/webhooks/list-page"), "WebhooksPage"),
});
const webhook = createRoute({
  getParentRoute: () => shell,
  path: "/webhooks/$id",
  component: lazyRouteComponent(() => import("@/features/webhooks/webhook-page"), "WebhookPage"),
});
const workspacePage = createRoute({
  getParentRoute: () => shell,
  path: "/workspace",
  component: lazyRouteComponent(() => import("@/features/workspaces/workspace-page"), "WorkspacePage"),
});
const account = createRoute({
  getParentRoute: () => shell,
  path: "/account",
  component: lazyRouteComponent(() => import("@/features/auth/account-page"), "AccountPage"),
});
const admin = createRoute({
  getParentRoute: () => shell,
  path: "/admin",
  component: lazyRouteComponent(() => import("@/features/admin/status-page"), "StatusPage"),
  validateSearch: (search: Record<string, unknown>) => ({ view: text(search.view) }),
});
const index = createRoute({
  getParentRoute: () => root,
  path: "/index.html",
  beforeLoad: () => {
    throw redirect({ to: "/" });
  },
});

export const router = createRouter({
  routeTree: root.addChildren([
    index,
    signIn,
    signUp,
    shell.addChildren([
      ...[home, datasets, dataset, pipelines, newPipeline, pipeline, jobs, job],
      ...[schedules, newSchedule, schedule, webhooks, webhook, workspacePage, account, admin],
    ]),
  ]),
  defaultPreload: "intent",
  defaultNotFoundComponent: NotFound,
  defaultErrorComponent: PageError,
});

/** Take those who are signed in to where they wanted to go; only to places of this app. */
function onward(place: string | undefined): void {
  if (session.get().status !== "signedIn") return;
  throw redirect({ to: place && /^\/(?![/\\])/.test(place) ? place : "/", replace: true });
}

function next(search: Record<string, unknown>): { next?: string | undefined } {
  return { next: text(search.next) };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
