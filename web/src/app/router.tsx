import { createRootRoute, createRoute, createRouter, Navigate, redirect } from "@tanstack/react-router";
import { Loading } from "@/components/layout";
import { SignInPage, SignUpPage } from "@/features/auth/pages";
import { page } from "@/lib/pages";
import { session } from "@/lib/session";
import { NotFound, PageError } from "./errors";
import { Shell } from "./shell";

const root = createRootRoute();

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  component: SignInPage,
  validateSearch: (search: Record<string, unknown>) => ({ ...next(search), ...problem(search) }),
  beforeLoad: ({ search }) => onward(search.next),
});
const signUp = createRoute({
  getParentRoute: () => root,
  path: "/sign-up",
  component: SignUpPage,
  validateSearch: next,
  beforeLoad: ({ search }) => onward(search.next),
});

const forgotPassword = createRoute({
  getParentRoute: () => root,
  path: "/forgot-password",
  component: page(() => import("@/features/auth/recovery-pages"), "ForgotPasswordPage"),
});
const newPassword = createRoute({
  getParentRoute: () => root,
  path: "/new-password",
  component: page(() => import("@/features/auth/recovery-pages"), "NewPasswordPage"),
});
const verifyEmail = createRoute({
  getParentRoute: () => root,
  path: "/verify-email",
  component: page(() => import("@/features/auth/recovery-pages"), "VerifyEmailPage"),
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
  component: page(() => import("@/features/datasets/list-page"), "DatasetsPage"),
});
const dataset = createRoute({
  getParentRoute: () => shell,
  path: "/datasets/$id",
  component: page(() => import("@/features/datasets/dataset-page"), "DatasetPage"),
});
const pipelines = createRoute({
  getParentRoute: () => shell,
  path: "/pipelines",
  component: page(() => import("@/features/pipelines/list-page"), "PipelinesPage"),
});
const newPipeline = createRoute({
  getParentRoute: () => shell,
  path: "/pipelines/new",
  component: page(() => import("@/features/pipelines/editor-page"), "NewPipelinePage"),
  validateSearch: (search: Record<string, unknown>) => ({
    dataset: text(search.dataset),
    template: text(search.template),
  }),
});
const pipeline = createRoute({
  getParentRoute: () => shell,
  path: "/pipelines/$id",
  component: page(() => import("@/features/pipelines/editor-page"), "PipelinePage"),
  validateSearch: (search: Record<string, unknown>) => ({ dataset: text(search.dataset) }),
});
const jobs = createRoute({
  getParentRoute: () => shell,
  path: "/jobs",
  component: page(() => import("@/features/jobs/list-page"), "JobsPage"),
});
const job = createRoute({
  getParentRoute: () => shell,
  path: "/jobs/$id",
  component: page(() => import("@/features/jobs/job-page"), "JobPage"),
});
const schedules = createRoute({
  getParentRoute: () => shell,
  path: "/schedules",
  component: page(() => import("@/features/schedules/list-page"), "SchedulesPage"),
});
const newSchedule = createRoute({
  getParentRoute: () => shell,
  path: "/schedules/new",
  component: page(() => import("@/features/schedules/new-page"), "NewSchedulePage"),
  validateSearch: (search: Record<string, unknown>) => ({ pipeline: text(search.pipeline) }),
});
const schedule = createRoute({
  getParentRoute: () => shell,
  path: "/schedules/$id",
  component: page(() => import("@/features/schedules/schedule-page"), "SchedulePage"),
});
const webhooks = createRoute({
  getParentRoute: () => shell,
  path: "/webhooks",
  component: page(() => import("@/features/webhooks/list-page"), "WebhooksPage"),
});
const webhook = createRoute({
  getParentRoute: () => shell,
  path: "/webhooks/$id",
  component: page(() => import("@/features/webhooks/webhook-page"), "WebhookPage"),
});
const workspacePage = createRoute({
  getParentRoute: () => shell,
  path: "/workspace",
  component: page(() => import("@/features/workspaces/workspace-page"), "WorkspacePage"),
});
const account = createRoute({
  getParentRoute: () => shell,
  path: "/account",
  component: page(() => import("@/features/auth/account-page"), "AccountPage"),
  validateSearch: problem,
});
const admin = createRoute({
  getParentRoute: () => shell,
  path: "/admin",
  component: page(() => import("@/features/admin/status-page"), "StatusPage"),
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
    ...[forgotPassword, newPassword, verifyEmail],
    shell.addChildren([
      ...[home, datasets, dataset, pipelines, newPipeline, pipeline, jobs, job],
      ...[schedules, newSchedule, schedule, webhooks, webhook, workspacePage, account, admin],
    ]),
  ]),
  defaultPreload: "intent",
  defaultNotFoundComponent: NotFound,
  defaultErrorComponent: PageError,
  defaultPendingComponent: Loading,
});

/** Take those who are signed in to where they wanted to go; only to places of this app. */
function onward(place: string | undefined): void {
  if (session.get().status !== "signedIn") return;
  throw redirect({ to: place && /^\/(?![/\\])/.test(place) ? place : "/", replace: true });
}

function next(search: Record<string, unknown>): { next?: string | undefined } {
  return { next: text(search.next) };
}

/** The code that single sign-on came back with. */
function problem(search: Record<string, unknown>): { problem?: string | undefined } {
  return { problem: text(search.problem) };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
