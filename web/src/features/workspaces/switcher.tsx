import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import { useQuery } from "urql";
import { WorkspacesDocument } from "@/gql/graphql";
import { fromCombined } from "@/lib/refusal";
import { useStore } from "@/lib/store";
import { enterWorkspace, workspace } from "@/lib/workspace";
import { m } from "./messages";

/** The workspace that one is in, and the way to another. */
export function WorkspaceSwitcher({ userId }: { userId: string }) {
  const current = useStore(workspace);
  const [{ data, error }] = useQuery({ query: WorkspacesDocument, variables: {} });
  // one that was deleted, or that one is no longer a member of: back to the personal one
  const gone = current !== null && error !== undefined && fromCombined(error).code === "WORKSPACE_UNKNOWN";
  useEffect(() => {
    if (gone) enterWorkspace(userId, null);
  }, [gone, userId]);
  const all = data?.me?.workspaces ?? [];
  const link = (
    <Link
      to="/workspace"
      className="rounded-lg px-2 py-1 text-sm font-medium text-muted hover:bg-raised hover:text-ink"
    >
      {all.length > 1 ? m.members : m.workspace}
    </Link>
  );
  if (all.length < 2) return link;
  return (
    <span className="flex items-center gap-1">
      <select
        aria-label={m.workspace}
        className="max-w-40 rounded-lg border border-field bg-surface px-2 py-1 text-sm"
        value={all.find(({ id }) => id === current)?.id ?? all[0]?.id}
        onChange={(event) => {
          const chosen = all.find(({ id }) => id === event.target.value);
          if (chosen) enterWorkspace(userId, chosen.personal ? null : chosen.id);
        }}
      >
        {all.map(({ id, name, personal }) => (
          <option key={id} value={id}>
            {personal ? m.personal({ name }) : name}
          </option>
        ))}
      </select>
      {link}
    </span>
  );
}
