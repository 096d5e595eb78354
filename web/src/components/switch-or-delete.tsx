import { useAction } from "@/lib/use-action";
import { Confirm } from "./confirm";
import { m } from "./messages";
import { Button } from "./ui";

interface Props {
  enabled: boolean;
  /** What the button says that switches it on. */
  start: string;
  /** What is asked before it is deleted. */
  question: string;
  toggle: () => Promise<unknown>;
  remove: () => Promise<void>;
}

/** The actions on a page of something that runs by itself: pause or let it run, and delete. */
export function SwitchOrDelete({ enabled, start, question, toggle, remove }: Props) {
  const action = useAction();
  return (
    <>
      <Confirm label={m.delete} question={question} act={remove} />
      <Button variant={enabled ? "secondary" : "primary"} onClick={() => action.run(toggle)} busy={action.busy}>
        {enabled ? m.pause : start}
      </Button>
      {action.refusal && (
        <p role="alert" className="w-full text-sm text-bad">
          {action.refusal.message}
        </p>
      )}
    </>
  );
}
