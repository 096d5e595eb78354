import { type FormEvent, useState } from "react";
import { useClient, useQuery } from "urql";
import { Choice } from "@/components/choice";
import { Confirm } from "@/components/confirm";
import { Ago, Code, CopyButton } from "@/components/data";
import { Failed, Loading, Note, PageHeader, Panel } from "@/components/layout";
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
import { chooseLanguage, chosen, offers } from "@/lib/languages";
import { fromCombined, messageOf } from "@/lib/refusal";
import { leave } from "@/lib/session";
import { useStore } from "@/lib/store";
import { chooseTheme, THEMES, type Theme, theme } from "@/lib/theme";
import { EmailPanel } from "./email-panel";
import { m } from "./messages";
import { NamePanel } from "./name-panel";
import { PasswordPanel } from "./password-panel";
import { SecondFactorPanel } from "./second-factor-panel";
import { LinkedSignIns } from "./single-sign-on";

const DAY = 24 * 3600 * 1000;

export function AccountPage() {
  const [{ data, error }, again] = useQuery({ query: AccountPageDocument, variables: {} });
  const reload = () => again({ requestPolicy: "network-only" });
  const me = data?.me;
  if (!me)
    return error ? <Failed error={fromCombined(error)} retry={reload} /> : <Loading what={m.loadingYourAccount} />;
  return (
    <>
      <PageHeader title={m.account} />
      <div className="grid grid-cols-1 gap-4">
        <NamePanel me={me} />
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

const THEME_WORDS: Record<Theme, () => string> = {
  system: () => m.asTheSystem,
  light: () => m.light,
  dark: () => m.dark,
};

/** Stands for the browser's language among those that one may choose. */
const BROWSER = "";

function Appearance() {
  const languages = Object.entries(useStore(offers)).map(([value, { name }]) => ({ value, text: name }));
  return (
    <Panel title={m.appearance}>
      <div className="flex flex-wrap gap-x-8 gap-y-3">
        <Choice
          legend={m.theme}
          options={THEMES.map((value) => ({ value, text: THEME_WORDS[value]() }))}
          value={useStore(theme)}
          choose={chooseTheme}
        />
        <Choice
          legend={m.language}
          options={[{ value: BROWSER, text: m.asTheBrowser }, ...languages]}
          value={useStore(chosen) ?? BROWSER}
          choose={(tag) => void chooseLanguage(tag || null)}
        />
      </div>
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
    <Panel title={m.sessions}>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="text-muted">{m.whatSigningOutEverywhereIs}</p>
        <Confirm label={m.signOutEverywhere} question={m.reallyEverywhere} act={out} />
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
    <Panel title={m.apiTokens} className="relative overflow-x-auto">
      <div className="grid grid-cols-1 gap-4">
        <p className="text-muted">{m.whatTokensAreFor}</p>
        <NewToken changed={changed} />
        {tokens.length > 0 && (
          <table className="w-full text-left">
            <thead className="text-sm text-muted">
              <tr>
                {[m.name, m.beginsWith, m.may, m.lastUsed, m.ends, m.revoke].map((name) => (
                  <th key={name} scope="col" className="py-1.5 pr-4 font-medium">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {tokens.map((token) => (
                <tr key={token.id} className="border-t border-line">
                  <td translate="no" className="py-1.5 pr-4 font-medium">
                    {token.name}
                  </td>
                  <td translate="no" className="py-1.5 pr-4 font-mono text-sm">
                    {token.prefix}…
                  </td>
                  <td className="py-1.5 pr-4">{token.scopes.includes("WRITE") ? m.readAndWrite : m.read}</td>
                  <td className="py-1.5 pr-4">{token.lastUsedAt ? <Ago time={token.lastUsedAt} /> : m.never}</td>
                  <td className="py-1.5 pr-4">{token.expiresAt ? dateTime(token.expiresAt) : m.never}</td>
                  <td className="py-1.5">
                    <Confirm label={m.revoke} question={m.reallyRevoke} act={() => revoke(token.id)} />
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
          label={m.nameOfTheToken}
          name="name"
          required
          maxLength={100}
          placeholder={m.notebook}
          error={error}
        />
        <Select label={m.may} name="scope">
          <option value="read">{m.read}</option>
          <option value="write">{m.readAndWrite}</option>
        </Select>
        <Select label={m.endsAfter} name="days" defaultValue="90">
          <option value="7">{m.days({ count: 7 })}</option>
          <option value="90">{m.days({ count: 90 })}</option>
          <option value="365">{m.days({ count: 365 })}</option>
          <option value="0">{m.never}</option>
        </Select>
        <Button type="submit" variant="primary" busy={busy}>
          {m.makeToken}
        </Button>
      </form>
      {secret && (
        <Note title={m.copyTheTokenNow}>
          <Code>{secret}</Code>
          <div>
            <CopyButton text={secret} label={m.copyToken} />
          </div>
        </Note>
      )}
    </>
  );
}
