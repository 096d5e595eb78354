import { type FormEvent, useState } from "react";
import { useClient, useQuery } from "urql";
import { Facts, Failed, Loading, Note, PageHeader, Panel } from "@/components/layout";
import { Button, TextField } from "@/components/ui";
import { CreateWorkspaceDocument, WorkspacePageDocument, type WorkspacePageQuery } from "@/gql/graphql";
import { act } from "@/lib/client";
import { bytes, count } from "@/lib/format";
import { fromCombined } from "@/lib/refusal";
import { useStore } from "@/lib/store";
import { useAction } from "@/lib/use-action";
import { enterWorkspace, workspace } from "@/lib/workspace";
import { Members } from "./members";
import { m } from "./messages";
import { roleText } from "./roles";

export type Space = NonNullable<WorkspacePageQuery["me"]>["workspaces"][number];

export function WorkspacePage() {
  const current = useStore(workspace);
  const [{ data, error }, again] = useQuery({ query: WorkspacePageDocument, variables: {} });
  const reload = () => again({ requestPolicy: "network-only" });
  const all = data?.me?.workspaces;
  const here = all?.find(({ id, personal }) => (current === null ? personal : id === current));
  if (!here || !data?.me)
    return error ? <Failed error={fromCombined(error)} retry={reload} /> : <Loading what={m.loadingTheWorkspace} />;
  return (
    <>
      <PageHeader
        title={here.name}
        data
        note={here.personal ? m.yoursAlone : m.sharedWorkspace({ role: roleText(here.role) })}
      />
      <div className="grid grid-cols-1 gap-4">
        {here.personal ? (
          <Note title={m.personalIsNotShared} hint={m.makeAWorkspaceToShare} />
        ) : (
          <Members space={here} changed={reload} />
        )}
        <Use space={here} />
        <Retention policy={data.retentionPolicy} />
        <NewWorkspace userId={data.me.id} />
      </div>
    </>
  );
}

function Use({ space: { limits, usage } }: { space: Space }) {
  return (
    <Panel title={m.inUse}>
      <Facts
        facts={[
          [m.runningJobs, m.of({ some: count(usage.runningJobs), all: count(limits.maxRunningJobs) })],
          [m.waitingAndRunning, m.of({ some: count(usage.unfinishedJobs), all: count(limits.maxUnfinishedJobs) })],
          [m.storage, m.of({ some: bytes(usage.storageBytes), all: bytes(limits.maxStorageBytes) })],
        ]}
      />
    </Panel>
  );
}

function Retention({ policy }: { policy: WorkspacePageQuery["retentionPolicy"] }) {
  const days = (value: number) => (value === 0 ? m.untilDeleted : m.days({ count: value }));
  return (
    <Panel title={m.whatIsKept}>
      <Facts
        facts={[
          [m.results, days(policy.resultsDays)],
          [m.rejectedRows, days(policy.rejectsDays)],
          [m.dataSets, days(policy.datasetsDays)],
          [m.logs, days(policy.logsDays)],
          [m.histories, days(policy.eventsDays)],
        ]}
      />
    </Panel>
  );
}

function NewWorkspace({ userId }: { userId: string }) {
  const client = useClient();
  const action = useAction();
  const [name, setName] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void action.run(async () => {
      const made = await act(client, CreateWorkspaceDocument, { input: { name } });
      enterWorkspace(userId, made.workspace.id);
    });
  };
  return (
    <Panel title={m.newWorkspace}>
      <form onSubmit={submit} className="grid items-end gap-3 sm:grid-cols-[1fr_auto]">
        <TextField
          label={m.nameOfTheWorkspace}
          required
          maxLength={200}
          placeholder={m.salesAnalysts}
          value={name}
          error={action.refusal?.message}
          onChange={(event) => setName(event.target.value)}
        />
        <Button type="submit" busy={action.busy}>
          {m.makeWorkspace}
        </Button>
      </form>
    </Panel>
  );
}
