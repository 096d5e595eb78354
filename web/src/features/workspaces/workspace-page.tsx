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

export type Space = NonNullable<WorkspacePageQuery["me"]>["workspaces"][number];

export function WorkspacePage() {
  const current = useStore(workspace);
  const [{ data, error }, again] = useQuery({ query: WorkspacePageDocument, variables: {} });
  const reload = () => again({ requestPolicy: "network-only" });
  const all = data?.me?.workspaces;
  const here = all?.find(({ id, personal }) => (current === null ? personal : id === current));
  if (!here || !data?.me)
    return error ? <Failed error={fromCombined(error)} retry={reload} /> : <Loading what="Loading the workspace" />;
  return (
    <>
      <PageHeader
        title={here.name}
        note={
          here.personal
            ? "Your personal workspace: yours alone."
            : `A shared workspace. You are its ${ROLES[here.role]}.`
        }
      />
      <div className="grid grid-cols-1 gap-4">
        {here.personal ? (
          <Note
            title="A personal workspace is not shared."
            hint="Make a workspace below to work with others: each has its own data sets, pipelines and jobs."
          />
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

const ROLES = { OWNER: "owner", EDITOR: "editor", VIEWER: "viewer" } as const;

function Use({ space: { limits, usage } }: { space: Space }) {
  return (
    <Panel title="In use">
      <Facts
        facts={[
          ["Running jobs", `${count(usage.runningJobs)} of ${count(limits.maxRunningJobs)}`],
          ["Waiting and running", `${count(usage.unfinishedJobs)} of ${count(limits.maxUnfinishedJobs)}`],
          ["Storage", `${bytes(usage.storageBytes)} of ${bytes(limits.maxStorageBytes)}`],
        ]}
      />
    </Panel>
  );
}

function Retention({ policy }: { policy: WorkspacePageQuery["retentionPolicy"] }) {
  const days = (value: number) => (value === 0 ? "until deleted" : `${count(value)} days`);
  return (
    <Panel title="What is kept, and how long">
      <Facts
        facts={[
          ["Results", days(policy.resultsDays)],
          ["Rejected rows", days(policy.rejectsDays)],
          ["Data sets", days(policy.datasetsDays)],
          ["Logs", days(policy.logsDays)],
          ["Histories", days(policy.eventsDays)],
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
    <Panel title="New workspace">
      <form onSubmit={submit} className="grid items-end gap-3 sm:grid-cols-[1fr_auto]">
        <TextField
          label="Name of the workspace"
          required
          maxLength={200}
          placeholder="Sales analysts"
          value={name}
          error={action.refusal?.message}
          onChange={(event) => setName(event.target.value)}
        />
        <Button type="submit" busy={action.busy}>
          Make workspace
        </Button>
      </form>
    </Panel>
  );
}
