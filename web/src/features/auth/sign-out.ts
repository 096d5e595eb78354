import { LogOutDocument } from "@/gql/graphql";
import { anonymousClient, currentToken, FETCH_OPTIONS, leave } from "@/lib/session";

/** End the session at the server too; without an answer it ends here all the same. One that began at an OpenID provider
 * ends there as well: else the next click on the button would open the account again. */
export async function signOut(): Promise<void> {
  const token = currentToken();
  const headers = { ...FETCH_OPTIONS.headers, ...(token && { authorization: `Bearer ${token}` }) };
  const { data } = await anonymousClient.mutation(LogOutDocument, {}, { fetchOptions: { headers } }).toPromise();
  leave(false);
  if (data?.logOut.__typename === "LogOutSuccess" && data.logOut.providerUrl) location.assign(data.logOut.providerUrl);
}
