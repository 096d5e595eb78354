/** Persisted documents: a built app names its documents by hash, and the API in production executes no others. */
import { type Exchange, getOperationName, makeOperation, type OperationResult } from "@urql/core";
import { map, pipe, tap } from "wonka";
import { documentHashes } from "@/gql/graphql";
import { Store } from "./store";

/** True once the API knows no document of this app's any more: a newer version of it is there. */
export const outdated = new Store(false);

/** What goes in `extensions` instead of the text; undefined while developing, when no build has told the API. */
export function persisted(document: OperationResult["operation"]["query"]) {
  if (import.meta.env.DEV) return undefined;
  const name = getOperationName(document);
  const sha256Hash = name && documentHashes[name];
  return sha256Hash ? { persistedQuery: { version: 1 as const, sha256Hash } } : undefined;
}

/** Note what errors say about the age of this app. */
export function noteAge(errors: readonly { extensions?: Record<string, unknown> | undefined }[] | undefined): void {
  if (errors?.some((each) => each.extensions?.code === "PERSISTED_QUERY_NOT_FOUND")) outdated.set(true);
}

/** Sends hashes for texts. Stands last before the exchange that fetches. */
export const persistedExchange: Exchange =
  ({ forward }) =>
  (operations) =>
    pipe(
      operations,
      map((operation) => {
        const extensions = operation.kind === "teardown" ? undefined : persisted(operation.query);
        if (!extensions) return operation;
        const { kind, context } = operation;
        return makeOperation(kind, { ...operation, extensions: { ...operation.extensions, ...extensions } }, context);
      }),
      forward,
      tap((result: OperationResult) => noteAge(result.error?.graphQLErrors)),
    );
