import { type FormEvent, useState } from "react";
import { useClient, useQuery } from "urql";
import { Choice } from "@/components/choice";
import { Confirm } from "@/components/confirm";
import { Ago, Code, CopyButton } from "@/components/data";
import { Facts, Failed, Loading, Note, PageHeader, Panel } from "@/components/layout";
import { Button, Select, TextField } from "@/components/ui";
import {
  AccountPageDocument,
  CreateApiTokenDocument,
  LogOutEverywhereDocument,
  RevokeApiTokenDocument,
  type TokenFragment,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { dateTime } from "@/lib/format";
import { fromCombined, messageOf } from "@/lib/refusal";
import { leave } from "@/lib/session";
import { useStore } from "@/lib/store";
import { chooseTheme, THEMES, type Theme, theme } from "@/lib/theme";
import { EmailPanel } from "./email-panel";
import { PasswordPanel } from "./password-panel";
import { SecondFactorPanel } from "./second-factor-panel";
import { LinkedSignIns } from "./single-sign-on";

const DAY = 24 * 3600 * 1000;

export function AccountPage() {
  const [{ data, error }, again] = useQuery({ query: AccountPageDocument, variables: {} });
  const reload = () => again({ requestPolicy: "network-only" });
  const me = data?.me;
  if (!me)
    return error ? <Failed error={fromCombined(error)} retry={reload} /> : <Loading what="Loading your account" />;
  return (
    <>
      <PageHeader title="Account" />
      <div className="grid grid-cols-1 gap-4">
        <Panel>
          <Facts
            facts={[
              ["Name", me.name],
              ["E-mail", me.email],
              ["Since", <Ago key="since" time={me.createdAt} />],
            ]}
          />
        </Panel>
        <EmailPanel />
        <PasswordPanel />
        <SecondFactorPanel />
        <Appearance />
        <Tokens tokens={me.apiTokens} changed={reload} />
        <LinkedSignIns />
        <Everywhere />
      </div>
    </>
  );
}

const THEME_WORDS: Record<Theme, string> = { system: "As the system", light: "Light", dark: "Dark" };

function Appearance() {
  return (
    <Panel title="Appearance">
      <Choice
        legend="Theme"
        options={THEMES.map((value) => ({ value, text: THEME_WORDS[value] }))}
        value={useStore(theme)}
        choose={chooseTheme}
      />
    </Panel>
  );
}

/** Ends every session of the account; for a computer that was lost, or left signed in. */
function Everywhere() {
  const client = useClient();
  const out = async () => {
    await act(client, LogOutEverywhereDocument, {});
    leave(false);
  };
  return (
    <Panel title="Sessions">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="text-muted">Sign out on every computer, this one too. API tokens stay: revoke them above.</p>
        <Confirm label="Sign out everywhere" question="Really everywhere?" act={out} />
      </div>
    </Panel>
  );
}

function Tokens({ tokens, changed }: { tokens: readonly TokenFragment[]; changed: () => void }) {
  const client = useClient();
  const revoke = async (id: string) => {
    await act(client, RevokeApiTokenDocument, { input: { id } });
    changed();
  };
  return (
    <Panel title="API tokens" className="relative overflow-x-auto">
      <div className="grid grid-cols-1 gap-4">
        <p className="text-muted">
          For programs: the command line, Arrow Flight, GraphQL. A token acts as you in this workspace.
        </p>
        <NewToken changed={changed} />
        {tokens.length > 0 && (
          <table className="w-full text-left">
            <thead className="text-sm text-muted">
              <tr>
                {["Name", "Begins with", "May", "Last used", "Ends", "Revoke"].map((name) => (
                  <th key={name} scope="col" className="py-1.5 pr-4 font-medium">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {tokens.map((token) => (
                <tr key={token.id} className="border-t border-line">
                  <td className="py-1.5 pr-4 font-medium">{token.name}</td>
                  <td className="py-1.5 pr-4 font-mono text-sm">{token.prefix}…</td>
                  <td className="py-1.5 pr-4">{token.scopes.includes("WRITE") ? "read and write" : "read"}</td>
                  <td className="py-1.5 pr-4">{token.lastUsedAt ? <Ago time={token.lastUsedAt} /> : "never"}</td>
                  <td className="py-1.5 pr-4">{token.expiresAt ? dateTime(token.expiresAt) : "never"}</td>
                  <td className="py-1.5">
                    <Confirm label="Revoke" question="Really revoke?" act={() => revoke(token.id)} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </Panel>
  );
}

/** Makes a token and shows its text this once. */
function NewToken({ changed }: { changed: () => void }) {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const create = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const values = new FormData(form);
    const days = Number(values.get("days"));
    setBusy(true);
    setError(null);
    try {
      const { token } = await act(client, CreateApiTokenDocument, {
        input: {
          name: String(values.get("name")),
          scopes: values.get("scope") === "write" ? ["READ", "WRITE"] : ["READ"],
          expiresAt: days ? new Date(Date.now() + days * DAY).toISOString() : null,
        },
      });
      setSecret(token);
      form.reset();
      changed();
    } catch (thrown) {
      setError(messageOf(thrown));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <form onSubmit={create} className="grid items-end gap-3 sm:grid-cols-[2fr_1fr_1fr_auto]">
        <TextField
          label="Name of the token"
          name="name"
          required
          maxLength={100}
          placeholder="Notebook"
          error={error}
        />
        <Select label="May" name="scope">
          <option value="read">read</option>
          <option value="write">read and write</option>
        </Select>
        <Select label="Ends after" name="days" defaultValue="90">
          <option value="7">7 days</option>
          <option value="90">90 days</option>
          <option value="365">365 days</option>
          <option value="0">never</option>
        </Select>
        <Button type="submit" variant="primary" busy={busy}>
          Make token
        </Button>
      </form>
      {secret && (
        <Note title="Copy the token now: it is not shown again.">
          <Code>{secret}</Code>
          <div>
            <CopyButton text={secret} label="Copy token" />
          </div>
        </Note>
      )}
    </>
  );
}
