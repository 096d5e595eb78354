/** The GraphQL client of one signed-in session; a new one for the next, so that no cached row outlives its reader. */
import { type AnyVariables, Client, cacheExchange, type DocumentInput, fetchExchange } from "@urql/core";
import { authExchange } from "@urql/exchange-auth";
import { persistedExchange } from "./documents";
import { reachExchange } from "./reach";
import { unwrap } from "./refusal";
import { currentToken, FETCH_OPTIONS, freshToken, isStale } from "./session";

/** `workspaceId` is the workspace to act in; null is the personal one. */
export function createApi(workspaceId: string | null): Client {
  return new Client({
    url: "/graphql",
    preferGetMethod: false,
    fetchOptions: FETCH_OPTIONS,
    requestPolicy: "cache-and-network",
    exchanges: [
      reachExchange,
      cacheExchange,
      authExchange(async (utils) => ({
        addAuthToOperation(operation) {
          const text = currentToken();
          if (!text) return operation;
          const headers: Record<string, string> = { authorization: `Bearer ${text}` };
          if (workspaceId) headers["x-workspace"] = workspaceId;
          return utils.appendHeaders(operation, headers);
        },
        willAuthError: isStale,
        didAuthError: (error) => error.graphQLErrors.some((each) => each.extensions?.code === "UNAUTHENTICATED"),
        async refreshAuth() {
          await freshToken(true).catch(() => null);
        },
      })),
      persistedExchange,
      fetchExchange,
    ],
  });
}

/** Run a mutation whose only field is a result union; returns its success or throws the `Refusal`. */
export async function act<D extends object, V extends AnyVariables>(
  client: Client,
  document: DocumentInput<D, V>,
  variables: V,
) {
  return unwrap<D>(await client.mutation(document, variables).toPromise());
}
