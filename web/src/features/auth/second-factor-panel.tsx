import { useState } from "react";
import { useClient, useQuery } from "urql";
import { Ago, Code, CopyButton } from "@/components/data";
import { Note, Panel } from "@/components/layout";
import { Button, TextField } from "@/components/ui";
import {
  BeginSecondFactorDocument,
  ConfirmSecondFactorDocument,
  DisableSecondFactorDocument,
  RenewRecoveryCodesDocument,
  SecondFactorDocument,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { useForm } from "./form";

const FIELDS = ["password", "code"];

/** Sets a second factor up, makes new recovery codes, turns it off. */
export function SecondFactorPanel() {
  const [{ data }, again] = useQuery({ query: SecondFactorDocument, variables: {} });
  const [codes, setCodes] = useState<readonly string[]>([]);
  const reload = () => again({ requestPolicy: "network-only" });
  if (!data) return null;
  const made = (fresh: readonly string[]) => {
    setCodes(fresh);
    reload();
  };
  return (
    <Panel title="Second factor">
      <div className="grid grid-cols-1 gap-4">
        {data.secondFactor.since ? (
          <>
            <p className="text-muted">
              Signing in needs a code of your authenticator app. Set up <Ago time={data.secondFactor.since} />; recovery
              codes left: {data.secondFactor.recoveryCodesLeft}.
            </p>
            <RecoveryCodes codes={codes} />
            <Change made={made} off={() => made([])} />
          </>
        ) : (
          <SetUp made={made} />
        )}
      </div>
    </Panel>
  );
}

function RecoveryCodes({ codes }: { codes: readonly string[] }) {
  if (codes.length === 0) return null;
  const text = codes.join("\n");
  return (
    <Note
      title="Keep these recovery codes now: they are not shown again."
      hint="Each stands in once for a code, when the app is lost."
    >
      <Code>{text}</Code>
      <div>
        <CopyButton text={text} label="Copy codes" />
      </div>
    </Note>
  );
}

function SetUp({ made }: { made: (codes: readonly string[]) => void }) {
  const client = useClient();
  const [secret, setSecret] = useState<{ secret: string; qr: string } | null>(null);
  const begin = useForm(FIELDS, async ({ password = "" }) => {
    setSecret(await act(client, BeginSecondFactorDocument, { input: { password } }));
  });
  const confirm = useForm(FIELDS, async ({ code = "" }) => {
    made((await act(client, ConfirmSecondFactorDocument, { input: { code } })).recoveryCodes);
  });
  if (!secret)
    return (
      <form onSubmit={begin.submit} className="grid items-end gap-3 sm:grid-cols-[1fr_auto]">
        <p className="text-muted sm:col-span-2">
          With a second factor, signing in needs a code of an authenticator app, too: a stolen password is not enough.
        </p>
        <TextField
          label="Your password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
          error={begin.errorOf("password") ?? begin.general?.message}
        />
        <Button type="submit" busy={begin.busy}>
          Set up
        </Button>
      </form>
    );
  return (
    <form onSubmit={confirm.submit} className="grid gap-3 sm:grid-cols-[auto_1fr]">
      <img src={secret.qr} alt="QR code for the authenticator app" className="size-48 rounded-lg bg-white p-2" />
      <div className="grid content-start gap-3">
        <p className="text-muted">Read this with the app, or type the secret into it. Then enter the code it shows.</p>
        <Code>{secret.secret}</Code>
        <TextField
          label="Code"
          name="code"
          inputMode="numeric"
          autoComplete="one-time-code"
          required
          maxLength={10}
          error={confirm.errorOf("code") ?? confirm.general?.message}
        />
        <Button type="submit" variant="primary" busy={confirm.busy}>
          Turn on
        </Button>
      </div>
    </form>
  );
}

function Change({ made, off }: { made: (codes: readonly string[]) => void; off: () => void }) {
  const client = useClient();
  const [what, setWhat] = useState<"renew" | "disable" | null>(null);
  const form = useForm(FIELDS, async ({ password = "", code = "" }) => {
    const input = { password, code };
    if (what === "renew") made((await act(client, RenewRecoveryCodesDocument, { input })).recoveryCodes);
    else {
      await act(client, DisableSecondFactorDocument, { input });
      off();
    }
    setWhat(null);
  });
  if (!what)
    return (
      <div className="flex flex-wrap gap-3">
        <Button onClick={() => setWhat("renew")}>New recovery codes</Button>
        <Button variant="danger" onClick={() => setWhat("disable")}>
          Turn off
        </Button>
      </div>
    );
  return (
    <form onSubmit={form.submit} className="grid items-start gap-3 sm:grid-cols-2">
      <TextField
        label="Your password"
        name="password"
        type="password"
        autoComplete="current-password"
        required
        error={form.errorOf("password") ?? form.general?.message}
      />
      <TextField
        label="Code"
        name="code"
        autoComplete="one-time-code"
        required
        maxLength={40}
        hint="Of the app, or a recovery code."
        error={form.errorOf("code")}
      />
      <div className="flex flex-wrap gap-3 sm:col-span-2">
        <Button type="submit" variant={what === "disable" ? "danger" : "primary"} busy={form.busy}>
          {what === "disable" ? "Turn the second factor off" : "Make new codes"}
        </Button>
        <Button variant="ghost" onClick={() => setWhat(null)}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
