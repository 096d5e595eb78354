/** Who is signed in. The access token lives in memory only; a reload gets a new one by the refresh cookie. */
import { createClient, fetchExchange } from "@urql/core";
import { type AccountFragment, RefreshSessionDocument } from "@/gql/graphql";
import { persistedExchange } from "./documents";
import { reachExchange } from "./reach";
import { isTransient, unwrap } from "./refusal";
import { Store } from "./store";
import { recall } from "./workspace";

export interface Opened {
  accessToken: string;
  expiresAt: string;
  user: AccountFragment;
}

export type Session =
  | { status: "starting" }
  | { status: "unreachable" }
  | { status: "anonymous"; expired: boolean }
  | { status: "settingUp"; email: string }
  | { status: "signedIn"; user: AccountFragment };

/** A session that does nothing until a second factor is set up. */
export interface Held {
  accessToken: string;
  expiresAt: string;
  email: string;
}

export const session = new Store<Session>({ status: "starting" });

/** Answers as plain JSON: urql would also take an event stream, which the server prefers where it is offered. */
export const FETCH_OPTIONS = { headers: { accept: "application/graphql-response+json, application/json" } };

/** For signing in and refreshing: no token, no cache. */
export const anonymousClient = createClient({
  url: "/graphql",
  exchanges: [reachExchange, persistedExchange, fetchExchange],
  preferGetMethod: false,
  fetchOptions: FETCH_OPTIONS,
});

/** Refresh this long before the end, in milliseconds: a request under way must not see its token expire. */
const MARGIN = 45_000;
const tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("karyaksham.session");

let token: { text: string; staleAt: number } | null = null;
let refreshing: Promise<string | null> | null = null;

/** Take over what logIn, register or refreshSession gave. */
export function enter(opened: Opened): void {
  keep(opened);
  const current = session.get();
  const same = current.status === "signedIn" && JSON.stringify(current.user) === JSON.stringify(opened.user);
  if (same) return;
  if (current.status !== "signedIn" || current.user.id !== opened.user.id) recall(opened.user.id);
  session.set({ status: "signedIn", user: opened.user });
}

/** Take over a session that does nothing until a second factor is set up: `freshToken(true)` sees that it is. */
export function hold(held: Held): void {
  keep(held);
  if (session.get().status !== "settingUp") session.set({ status: "settingUp", email: held.email });
}

function keep({ accessToken, expiresAt }: { accessToken: string; expiresAt: string }): void {
  const end = Date.parse(expiresAt);
  token = { text: accessToken, staleAt: end - Math.min(MARGIN, (end - Date.now()) / 4) };
}

/** Forget everything; `expired` when it was not the user's wish. Other tabs follow. */
export function leave(expired: boolean): void {
  token = null;
  if (session.get().status !== "anonymous") session.set({ status: "anonymous", expired });
  if (!expired) tabs?.postMessage("left");
}

/** A token that is good for some time yet; null when nobody is signed in. Rejects when the service is away. */
export async function freshToken(force = false): Promise<string | null> {
  if (token && !force && !isStale()) return token.text;
  refreshing ??= refresh().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

/** Find out at the start whether the cookie still opens a session. */
export async function restore(): Promise<void> {
  try {
    await freshToken();
  } catch {
    session.set({ status: "unreachable" });
  }
}

/** Whether the token at hand needs a refresh first. */
export function isStale(): boolean {
  return token !== null && Date.now() >= token.staleAt;
}

export function currentToken(): string | null {
  return token?.text ?? null;
}

async function refresh(): Promise<string | null> {
  try {
    // one tab at a time: two tabs with the same cookie would look like a stolen one
    return await exclusively(async () => {
      const result = await anonymousClient.mutation(RefreshSessionDocument, {}).toPromise();
      const answer = result.data?.refreshSession;
      if (answer?.__typename === "SecondFactorSetUpNeeded") hold(answer);
      else enter(unwrap(result));
      return currentToken();
    });
  } catch (error) {
    if (isTransient(error)) throw error;
    leave(session.get().status === "signedIn");
    return null;
  }
}

function exclusively<T>(work: () => Promise<T>): Promise<T> {
  return typeof navigator !== "undefined" && navigator.locks
    ? navigator.locks.request("karyaksham.refresh", work)
    : work();
}

tabs?.addEventListener("message", () => {
  token = null;
  if (session.get().status === "signedIn") session.set({ status: "anonymous", expired: false });
});
