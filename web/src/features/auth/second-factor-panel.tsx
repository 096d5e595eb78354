import { useState } from "react";
import { useClient, useQuery } from "urql";
import { Ago, Code, CopyButton } from "@/components/data";
import { Note, Panel } from "@/components/layout";
import { Button, classes, TextField } from "@/components/ui";
import {
  BeginSecondFactorDocument,
  ConfirmSecondFactorDocument,
  DisableSecondFactorDocument,
  RenewRecoveryCodesDocument,
  SecondFactorDocument,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { CurrentPassword } from "./auth-form";
import { useForm } from "./form";
import { m } from "./messages";

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
    <Panel title={m.secondFactor}>
      <div className="grid grid-cols-1 gap-4">
        {data.secondFactor.since ? (
          <>
            <p className="text-muted">
              {m.secondFactorIsOn({
                ago: <Ago time={data.secondFactor.since} />,
                left: data.secondFactor.recoveryCodesLeft,
              })}
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

export function RecoveryCodes({ codes }: { codes: readonly string[] }) {
  if (codes.length === 0) return null;
  const text = codes.join("\n");
  return (
    <Note title={m.keepTheRecoveryCodes} hint={m.whatRecoveryCodesAre}>
      <Code>{text}</Code>
      <div>
        <CopyButton text={text} label={m.copyCodes} />
      </div>
    </Note>
  );
}

/** `narrow`: the picture stands above the field, not beside it. */
export function SetUp({ made, narrow }: { made: (codes: readonly string[]) => void; narrow?: boolean }) {
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
      <form onSubmit={begin.submit} className={classes("grid items-end gap-3", !narrow && "sm:grid-cols-[1fr_auto]")}>
        <p className={classes("text-muted", !narrow && "sm:col-span-2")}>{m.whatASecondFactorIs}</p>
        <CurrentPassword form={begin} label={m.yourPassword} error={begin.general?.message} />
        <Button type="submit" busy={begin.busy}>
          {m.setUp}
        </Button>
      </form>
    );
  return (
    <form onSubmit={confirm.submit} className={classes("grid gap-3", !narrow && "sm:grid-cols-[auto_1fr]")}>
      <img src={secret.qr} alt={m.qrCode} className="size-48 rounded-lg bg-white p-2" />
      <div className="grid content-start gap-3">
        <p className="text-muted">{m.howToSetUp}</p>
        <Code>{secret.secret}</Code>
        <TextField
          label={m.code}
          name="code"
          inputMode="numeric"
          autoComplete="one-time-code"
          required
          maxLength={10}
          error={confirm.errorOf("code") ?? confirm.general?.message}
        />
        <Button type="submit" variant="primary" busy={confirm.busy}>
          {m.turnOn}
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
        <Button onClick={() => setWhat("renew")}>{m.newRecoveryCodes}</Button>
        <Button variant="danger" onClick={() => setWhat("disable")}>
          {m.turnOff}
        </Button>
      </div>
    );
  return (
    <form onSubmit={form.submit} className="grid items-start gap-3 sm:grid-cols-2">
      <CurrentPassword form={form} label={m.yourPassword} error={form.general?.message} />
      <TextField
        label={m.code}
        name="code"
        autoComplete="one-time-code"
        required
        maxLength={40}
        hint={m.ofTheAppOrARecoveryCode}
        error={form.errorOf("code")}
      />
      <div className="flex flex-wrap gap-3 sm:col-span-2">
        <Button type="submit" variant={what === "disable" ? "danger" : "primary"} busy={form.busy}>
          {what === "disable" ? m.turnSecondFactorOff : m.makeNewCodes}
        </Button>
        <Button variant="ghost" onClick={() => setWhat(null)}>
          {m.cancel}
        </Button>
      </div>
    </form>
  );
}
