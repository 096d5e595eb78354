import { useState } from "react";
import { messageOf, Refusal } from "./refusal";

export interface Action {
  busy: boolean;
  /** What went wrong the last time; null while nothing did. */
  refusal: Refusal | null;
  /** Run the work; true when it succeeded. Never throws. */
  run(work: () => Promise<unknown>): Promise<boolean>;
  /** The message when the refusal is about this field of the input. */
  errorOf(field: string): string | null;
  /** The message when the refusal is about none of these fields. */
  otherThan(...fields: string[]): string | null;
}

/** State of something that the API is asked to do: busy, refused, done. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const field = refusal?.path.find((part) => part !== "input") ?? "";
  return {
    busy,
    refusal,
    async run(work) {
      setBusy(true);
      setRefusal(null);
      try {
        await work();
        return true;
      } catch (error) {
        setRefusal(error instanceof Refusal ? error : new Refusal("INTERNAL", messageOf(error)));
        return false;
      } finally {
        setBusy(false);
      }
    },
    errorOf: (name) => (refusal && field === name ? refusal.message : null),
    otherThan: (...fields) => (refusal && !fields.includes(field) ? refusal.message : null),
  };
}
