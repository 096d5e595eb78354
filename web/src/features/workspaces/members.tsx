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
import { m } from "./messages";
import { roleText } from "./roles";
import type { Space } from "./workspace-page";

const roles = (): { value: WorkspaceRole; text: string }[] => [
  { value: "VIEWER", text: m.viewerLooks },
  { value: "EDITOR", text: m.editorUploadsAndRuns },
  { value: "OWNER", text: m.ownerSharesToo },
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
    <Panel title={m.membersCount({ number: space.members.length })}>
      <div className="grid grid-cols-1 gap-4">
        {owns && <Invite set={set} />}
        {action.refusal && <Note tone="bad" title={action.refusal.message} />}
        <Table caption={m.members} head={[m.name, m.eMail, m.role, m.since, ...(owns ? [m.remove] : [])]}>
          {space.members.map((member) => (
            <Row key={member.userId}>
              <Cell plain data>
                {member.name}
              </Cell>
              <Cell plain data>
                {member.email}
              </Cell>
              <Cell>
                {owns && !member.owner ? (
                  <RoleSelect member={member} choose={(role) => action.run(() => set(member.email, role))} />
                ) : (
                  roleText(member.role)
                )}
              </Cell>
              <Cell>
                <Ago time={member.since} />
              </Cell>
              {owns && (
                <Cell>
                  {member.owner ? (
                    <span className="text-muted">{m.madeIt}</span>
                  ) : (
                    <Confirm label={m.remove} question={m.reallyRemove} act={() => set(member.email, null)} />
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
      aria-label={m.roleOf({ name: member.name })}
      className="rounded-lg border border-field bg-surface px-2 py-1"
      value={member.role}
      onChange={(event) => choose(event.target.value as WorkspaceRole)}
    >
      {roles().map(({ value, text }) => (
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
        label={m.eMailOfSomebody}
        type="email"
        required
        value={email}
        error={action.refusal?.message}
        onChange={(event) => setEmail(event.target.value)}
      />
      <Select label={m.role} value={role} onChange={(event) => setRole(event.target.value as WorkspaceRole)}>
        {roles().map(({ value, text }) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </Select>
      <Button type="submit" variant="primary" busy={action.busy}>
        {m.add}
      </Button>
    </form>
  );
}
