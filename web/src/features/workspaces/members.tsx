import { type FormEvent, useState } from "react";
import { useClient } from "urql";
import { Confirm } from "@/components/confirm";
import { Ago } from "@/components/data";
import { Note, Panel } from "@/components/layout";
import { Cell, Row, Table } from "@/components/table";
import { Button, Select, TextField } from "@/components/ui";
import { type MemberFragment, SetWorkspaceMemberDocument, type WorkspaceRole } from "@/gql/graphql";
import { act } from "@/lib/client";
import { useAction } from "@/lib/use-action";
import type { Space } from "./workspace-page";

const ROLES: readonly { value: WorkspaceRole; text: string }[] = [
  { value: "VIEWER", text: "viewer: looks" },
  { value: "EDITOR", text: "editor: uploads and runs" },
  { value: "OWNER", text: "owner: shares too" },
];

/** Who works here. Owners change it, the others see it. */
export function Members({ space, changed }: { space: Space; changed: () => void }) {
  const client = useClient();
  const action = useAction();
  const owns = space.role === "OWNER";
  const set = async (email: string, role: WorkspaceRole | null) => {
    await act(client, SetWorkspaceMemberDocument, { input: { email, role } });
    changed();
  };
  return (
    <Panel title={`Members (${space.members.length})`}>
      <div className="grid grid-cols-1 gap-4">
        {owns && <Invite set={set} />}
        {action.refusal && <Note tone="bad" title={action.refusal.message} />}
        <Table caption="Members" head={["Name", "E-mail", "Role", "Since", ...(owns ? ["Remove"] : [])]}>
          {space.members.map((member) => (
            <Row key={member.userId}>
              <Cell plain>{member.name}</Cell>
              <Cell plain>{member.email}</Cell>
              <Cell>
                {owns && !member.owner ? (
                  <RoleSelect member={member} choose={(role) => action.run(() => set(member.email, role))} />
                ) : (
                  member.role.toLowerCase()
                )}
              </Cell>
              <Cell>
                <Ago time={member.since} />
              </Cell>
              {owns && (
                <Cell>
                  {member.owner ? (
                    <span className="text-muted">made it</span>
                  ) : (
                    <Confirm label="Remove" question="Really remove?" act={() => set(member.email, null)} />
                  )}
                </Cell>
              )}
            </Row>
          ))}
        </Table>
      </div>
    </Panel>
  );
}

function RoleSelect({ member, choose }: { member: MemberFragment; choose: (role: WorkspaceRole) => void }) {
  return (
    <select
      aria-label={`Role of ${member.name}`}
      className="rounded-lg border border-field bg-surface px-2 py-1"
      value={member.role}
      onChange={(event) => choose(event.target.value as WorkspaceRole)}
    >
      {ROLES.map(({ value, text }) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  );
}

function Invite({ set }: { set: (email: string, role: WorkspaceRole) => Promise<void> }) {
  const action = useAction();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<WorkspaceRole>("EDITOR");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await action.run(() => set(email, role))) setEmail("");
  };
  return (
    <form onSubmit={submit} className="grid items-end gap-3 sm:grid-cols-[2fr_1fr_auto]">
      <TextField
        label="E-mail of somebody with an account"
        type="email"
        required
        value={email}
        error={action.refusal?.message}
        onChange={(event) => setEmail(event.target.value)}
      />
      <Select label="Role" value={role} onChange={(event) => setRole(event.target.value as WorkspaceRole)}>
        {ROLES.map(({ value, text }) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </Select>
      <Button type="submit" variant="primary" busy={action.busy}>
        Add
      </Button>
    </form>
  );
}
