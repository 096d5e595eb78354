import { CombinedError } from "@urql/core";
import { describe, expect, it } from "vitest";
import { isTransient, Refusal, unwrap } from "./refusal";

type Data = {
  runJob:
    | { __typename: "RunJobSuccess"; id: string }
    | { __typename: "ConflictError"; code: string; message: string; path: string[] };
};

function refusalOf(work: () => unknown): Refusal {
  try {
    work();
  } catch (error) {
    if (error instanceof Refusal) return error;
  }
  throw new Error("nothing was refused");
}

describe("unwrap", () => {
  it("returns the success", () => {
    const data: Data = { runJob: { __typename: "RunJobSuccess", id: "J" } };
    expect(unwrap<Data>({ data }).id).toBe("J");
  });
  it("throws a domain error with code, message and path", () => {
    const data: Data = {
      runJob: { __typename: "ConflictError", code: "JOB_ENDED", message: "It has ended.", path: ["id"] },
    };
    expect(refusalOf(() => unwrap<Data>({ data }))).toMatchObject({
      code: "JOB_ENDED",
      message: "It has ended.",
      path: ["id"],
    });
  });
  it("keeps the code of a top-level error", () => {
    const error = new CombinedError({
      graphQLErrors: [{ message: "Slow down.", extensions: { code: "RATE_LIMITED" } }],
    });
    expect(refusalOf(() => unwrap<Data>({ error }))).toMatchObject({ code: "RATE_LIMITED", message: "Slow down." });
  });
  it("tells a lost connection from a refusal", () => {
    const lost = refusalOf(() => unwrap<Data>({ error: new CombinedError({ networkError: new TypeError("fetch") }) }));
    expect(isTransient(lost)).toBe(true);
    expect(isTransient(new Refusal("UNAUTHENTICATED", ""))).toBe(false);
  });
  it("does not take an empty answer for success", () => {
    expect(refusalOf(() => unwrap<Data>({})).code).toBe("INTERNAL");
  });
});
