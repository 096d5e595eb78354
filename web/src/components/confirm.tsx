import { useState } from "react";
import { messageOf } from "@/lib/refusal";
import { Button } from "./ui";

/** A button for what cannot be undone: acts at the second click. */
export function Confirm({ label, question, act }: { label: string; question: string; act: () => Promise<void> }) {
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const click = async () => {
    if (!asked) return setAsked(true);
    setBusy(true);
    setError(null);
    try {
      await act();
    } catch (thrown) {
      setError(messageOf(thrown));
    } finally {
      setBusy(false);
      setAsked(false);
    }
  };
  return (
    <>
      <Button variant="danger" onClick={click} onBlur={() => setAsked(false)} busy={busy}>
        <span aria-live="polite">{asked ? question : label}</span>
      </Button>
      {error && (
        <p role="alert" className="w-full text-sm text-bad">
          {error}
        </p>
      )}
    </>
  );
}
