/** The workspace that one works in: null is the personal one. Each account remembers its own, in this browser. */
import { Store } from "./store";

export const workspace = new Store<string | null>(null);

const key = (userId: string) => `karyaksham.workspace.${userId}`;

/** Take up the workspace that this account worked in last. */
export function recall(userId: string, storage: Pick<Storage, "getItem"> = localStorage): void {
  workspace.set(userId ? storage.getItem(key(userId)) : null);
}

/** Work in another workspace from now on; everything that was read is read anew. */
export function enterWorkspace(
  userId: string,
  id: string | null,
  storage: Pick<Storage, "setItem" | "removeItem"> = localStorage,
): void {
  if (id === null) storage.removeItem(key(userId));
  else storage.setItem(key(userId), id);
  workspace.set(id);
}
