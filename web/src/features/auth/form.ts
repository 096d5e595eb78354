import { type FormEvent, useState } from "react";
import { messageOf, Refusal } from "@/lib/refusal";

/** Runs a form's work; keeps what went wrong, by field where the API names one of `fields`. */
export function useForm(fields: readonly string[], work: (values: Record<string, string>) => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>;
    setBusy(true);
    setRefusal(null);
    try {
      await work(values);
    } catch (error) {
      setRefusal(error instanceof Refusal ? error : new Refusal("INTERNAL", messageOf(error)));
    } finally {
      setBusy(false);
    }
  };
  const errorOf = (field: string) => (refusal?.path.at(-1) === field ? refusal.message : null);
  const general = refusal && !fields.includes(refusal.path.at(-1) ?? "") ? refusal : null;
  return { busy, submit, errorOf, general };
}
