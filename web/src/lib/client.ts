/** The GraphQL client of one signed-in session; a new one for the next, so that no cached row outlives its reader. */
import { type AnyVariables, Client, cacheExchange, type DocumentInput, fetchExchange } from "@urql/core";
import { authExchange } from "@urql/exchange-auth";
import { unwrap } from "./refusal";
import { currentToken, FETCH_OPTIONS, freshToken, isStale } from "./session";

export function createApi(): Client {
  return new Client({
    url: "/graphql",
    preferGetMethod: false,
    fetchOptions: FETCH_OPTIONS,
    requestPolicy: "cache-and-network",
    exchanges: [
      cacheExchange,
      authExchange(async (utils) => ({
        addAuthToOperation(operation) {
          const text = currentToken();
          return text ? utils.appendHeaders(operation, { authorization: `Bearer ${text}` }) : operation;
        },
        willAuthError: isStale,
        didAuthError: (error) => error.graphQLErrors.some((each) => each.extensions?.code === "UNAUTHENTICATED"),
        async refreshAuth() {
          await freshToken(true).catch(() => null);
        },
      })),
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
