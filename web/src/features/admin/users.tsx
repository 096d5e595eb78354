import { type FormEvent, useState } from "react";
import { useClient } from "urql";
import { Confirm } from "@/components/confirm";
import { Ago, Badge } from "@/components/data";
import { Empty, Panel } from "@/components/layout";
import { Listing } from "@/components/more";
import { Cell, Row, Table } from "@/components/table";
import { Button, TextField } from "@/components/ui";
import {
  type AdminUserRowFragment,
  AdminUsersDocument,
  ResetUserSecondFactorDocument,
  SetUserDisabledDocument,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { usePages } from "@/lib/paging";
import { m } from "./messages";

/** All accounts: who they are, and whether they may log in. */
export function Users({ me }: { me: string }) {
  const [search, setSearch] = useState("");
  const [text, setText] = useState("");
  const list = usePages(AdminUsersDocument, { first: 50, search: search || null }, (data) => data.adminUsers);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSearch(text.trim());
  };
  return (
    <div className="grid grid-cols-1 gap-4">
      <form onSubmit={submit} className="grid max-w-xl items-end gap-3 sm:grid-cols-[1fr_auto]">
        <TextField
          label={m.partOfNameOrEMail}
          type="search"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <Button type="submit">{m.search}</Button>
      </form>
      <Listing list={list} what={m.loadingAccounts} empty={<Empty title={m.noSuchAccount} />}>
        <Panel className="!p-0">
          <Table caption={m.accounts} head={[m.name, m.eMail, m.role, m.state, m.since, m.actions]}>
            {list.items?.map((user) => (
              <UserRow key={user.id} user={user} own={user.id === me} changed={list.reload} />
            ))}
          </Table>
        </Panel>
      </Listing>
    </div>
  );
}

function UserRow({ user, own, changed }: { user: AdminUserRowFragment; own: boolean; changed: () => void }) {
  const client = useClient();
  const disabled = user.disabledAt !== null;
  const set = async () => {
    await act(client, SetUserDisabledDocument, { input: { id: user.id, disabled: !disabled } });
    changed();
  };
  const reset = async () => {
    await act(client, ResetUserSecondFactorDocument, { input: { id: user.id } });
    changed();
  };
  return (
    <Row>
      <Cell plain data>
        {user.name}
      </Cell>
      <Cell plain data>
        {user.email}
      </Cell>
      <Cell>{user.role === "ADMIN" ? m.administrator : m.user}</Cell>
      <Cell>{disabled ? <Badge tone="bad">{m.disabled}</Badge> : <Badge tone="good">{m.active}</Badge>}</Cell>
      <Cell>
        <Ago time={user.createdAt} />
      </Cell>
      <Cell>
        {own ? (
          <span className="text-muted">{m.you}</span>
        ) : (
          <div className="flex flex-wrap gap-2">
            <Confirm
              label={disabled ? m.enable : m.disable}
              question={disabled ? m.letThemInAgain : m.shutThemOut}
              act={set}
            />
            {user.secondFactor && <Confirm label={m.resetSecondFactor} question={m.letThePasswordDo} act={reset} />}
          </div>
        )}
      </Cell>
    </Row>
  );
}
