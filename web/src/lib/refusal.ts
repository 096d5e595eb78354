import type { CombinedError } from "@urql/core";
import { m } from "./messages";

/** Why the API did not do it: a domain error, a top-level error, or no answer at all. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(
    readonly code: string,
    message: string,
    readonly path: readonly string[] = [],
  ) {
    super(message);
  }
}

/** Codes after which the same request may simply be sent again. */
const TRANSIENT = new Set(["UNREACHABLE", "SERVICE_UNAVAILABLE"]);

export function isTransient(error: unknown): boolean {
  return error instanceof Refusal && TRANSIENT.has(error.code);
}

/** What urql reports, as a Refusal. */
export function fromCombined(error: CombinedError): Refusal {
  const first = error.graphQLErrors[0];
  if (first) {
    const code = first.extensions?.code;
    return new Refusal(typeof code === "string" ? code : "INTERNAL", first.message);
  }
  return new Refusal("UNREACHABLE", m.noAnswer);
}

interface Answer {
  __typename: string;
}

type Success<D> = Extract<D[keyof D], { __typename: `${string}Success` }>;

/** The success of a result union with one root field; throws the Refusal otherwise. */
export function unwrap<D extends object>(result: {
  data?: D | undefined;
  error?: CombinedError | undefined;
}): Success<D> {
  if (result.error) throw fromCombined(result.error);
  const answer = Object.values(result.data ?? {})[0] as (Answer & Partial<Refusal>) | undefined;
  if (answer?.__typename.endsWith("Success")) return answer as Success<D>;
  throw new Refusal(answer?.code ?? "INTERNAL", answer?.message ?? m.strangeAnswer, answer?.path ?? []);
}

/** The text for people of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
