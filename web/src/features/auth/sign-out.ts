import { LogOutDocument } from "@/gql/graphql";
import { anonymousClient, currentToken, FETCH_OPTIONS, leave } from "@/lib/session";

/** End the session at the server too; without an answer it ends here all the same. */
export async function signOut(): Promise<void> {
  const token = currentToken();
  const headers = { ...FETCH_OPTIONS.headers, ...(token && { authorization: `Bearer ${token}` }) };
  await anonymousClient.mutation(LogOutDocument, {}, { fetchOptions: { headers } }).toPromise();
  leave(false);
}
