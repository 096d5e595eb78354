import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type FormattedNode, formatDocument, getOperationName } from "@urql/core";
import { type DocumentNode, parse, print } from "graphql";
import { describe, expect, it } from "vitest";
import * as generated from "@/gql/graphql";
import { noteAge, outdated } from "./documents";

const list: string[] = JSON.parse(readFileSync(new URL("../../../graph/documents/web.json", import.meta.url), "utf8"));
const byHash = new Map(list.map((text) => [createHash("sha256").update(text).digest("hex"), text]));
const documents = Object.values(generated as Record<string, unknown>).filter(
  (each): each is DocumentNode => (each as DocumentNode).kind === "Document",
);

/** Definitions in one order, as text. */
function canonical(document: DocumentNode): string {
  return document.definitions
    .map((each) => print(each))
    .sort()
    .join("\n");
}

describe("persisted documents", () => {
  it("names each document of the app by the hash of what it means", () => {
    const operations = documents.filter((each) => getOperationName(each as FormattedNode<DocumentNode>));
    expect(operations.length).toBe(list.length);
    for (const document of operations) {
      const name = getOperationName(document as FormattedNode<DocumentNode>) as string;
      const text = byHash.get(generated.documentHashes[name] ?? "");
      expect(text, name).toBeDefined();
      expect(canonical(parse(text ?? "")), name).toBe(canonical(formatDocument(document)));
    }
  });
  it("knows an app that is too old by the code of the refusal", () => {
    noteAge([{ extensions: { code: "NOT_FOUND" } }]);
    expect(outdated.get()).toBe(false);
    noteAge([{ extensions: { code: "PERSISTED_QUERY_NOT_FOUND" } }]);
    expect(outdated.get()).toBe(true);
  });
});
