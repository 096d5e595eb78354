import { useSearch } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { useClient, useQuery } from "urql";
import { Ago, Data } from "@/components/data";
import { Note, Panel } from "@/components/layout";
import { Button, buttonClass, TextField } from "@/components/ui";
import { Words } from "@/components/words";
import {
  LinkedSignInsDocument,
  type LinkedSignInsQuery,
  LinkSignInDocument,
  SignInMethodsDocument,
  type SignInMethodsQuery,
  UnlinkSignInDocument,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { messageOf } from "@/lib/refusal";
import { anonymousClient } from "@/lib/session";
import { m } from "./messages";
import { problemWords } from "./sign-in-words";

type Methods = SignInMethodsQuery["signInMethods"];
type Linked = NonNullable<LinkedSignInsQuery["me"]>["linkedSignIns"][number];

/** How one signs in here; null until that is known. Without an answer: with a password, as ever. */
export function useSignInMethods(): Methods | null {
  const [methods, setMethods] = useState<Methods | null>(null);
  useEffect(() => {
    void anonymousClient
      .query(SignInMethodsDocument, {})
      .toPromise()
      .then(({ data }) => setMethods(data?.signInMethods ?? { password: true, provider: null }));
  }, []);
  return methods;
}

/** The button that leads to the provider: a link, since the browser itself has to go there. */
export function ContinueWith({ methods, next }: { methods: Methods; next: string | undefined }) {
  if (!methods.provider) return null;
  const { name, url } = methods.provider;
  return (
    <a
      className={buttonClass(methods.password ? "secondary" : "primary")}
      href={next ? `${url}?${new URLSearchParams({ next })}` : url}
    >
      {m.continueWith({ name: <Data>{name}</Data> })}
    </a>
  );
}

/** What went wrong at the provider, of the code in the page's address. */
export function SignInProblem() {
  const { problem } = useSearch({ strict: false }) as { problem?: string | undefined };
  return problem ? <Note tone="bad" title={problemWords(problem)} /> : null;
}

/** Linking the account with the provider, on the page of the account. Nothing where there is no single sign-on. */
export function LinkedSignIns() {
  const client = useClient();
  const [{ data }, again] = useQuery({ query: LinkedSignInsDocument, variables: {} });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  if (!data?.me || !data.signInMethods.provider) return null;
  const { name } = data.signInMethods.provider;
  const links = data.me.linkedSignIns;
  const link = async () => {
    setBusy(true);
    setError(null);
    try {
      const { url } = await act(client, LinkSignInDocument, {});
      location.assign(url);
    } catch (thrown) {
      setError(messageOf(thrown));
      setBusy(false);
    }
  };
  return (
    <Panel title={m.singleSignOn}>
      <div className="grid gap-4">
        <SignInProblem />
        {links.map((each) => (
          <Row
            key={each.id}
            linked={each}
            removable={data.signInMethods.password}
            changed={() => again({ requestPolicy: "network-only" })}
          />
        ))}
        {links.length === 0 && (
          <div className="flex flex-wrap items-center justify-between gap-3">
            <p className="text-muted">{m.whatLinkingIs({ name: <Data>{name}</Data> })}</p>
            <Button onClick={link} busy={busy}>
              {m.linkWith({ name: <Data>{name}</Data> })}
            </Button>
          </div>
        )}
        {error && <Note tone="bad" title={<Words text={error} />} />}
      </div>
    </Panel>
  );
}

/** One link; taking it away needs the password, which is what remains to get in with. */
function Row({ linked, removable, changed }: { linked: Linked; removable: boolean; changed: () => void }) {
  const client = useClient();
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const remove = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const password = String(new FormData(event.currentTarget).get("password"));
    setBusy(true);
    setError(null);
    try {
      await act(client, UnlinkSignInDocument, { input: { id: linked.id, password } });
      changed();
    } catch (thrown) {
      setError(messageOf(thrown));
    } finally {
      setBusy(false);
    }
  };
  const account = (
    <span translate="no" className="font-medium text-ink">
      {linked.email ?? linked.issuer}
    </span>
  );
  const provider = <Data>{linked.issuer}</Data>;
  return (
    <div className="grid gap-3">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="text-muted">
          {linked.usedAt
            ? m.linkedAtUsed({ account, provider, time: <Ago time={linked.usedAt} /> })
            : m.linkedAtNeverUsed({ account, provider })}
        </p>
        {removable && !asked && <Button onClick={() => setAsked(true)}>{m.unlink}</Button>}
      </div>
      {asked && (
        <form onSubmit={remove} className="grid items-end gap-3 sm:grid-cols-[2fr_auto_auto]">
          <TextField
            label={m.passwordToGetInWith}
            name="password"
            type="password"
            autoComplete="current-password"
            required
            error={error}
          />
          <Button type="submit" variant="danger" busy={busy}>
            {m.unlink}
          </Button>
          <Button onClick={() => setAsked(false)}>{m.keep}</Button>
        </form>
      )}
    </div>
  );
}
