import type { WorkspaceRole } from "@/gql/graphql";
import { m } from "./messages";

/** A role within a sentence. */
export function roleText(role: WorkspaceRole): string {
  switch (role) {
    case "OWNER":
      return m.owner;
    case "EDITOR":
      return m.editor;
    case "VIEWER":
      return m.viewer;
  }
}
