import { type FormEvent, useState } from "react";
import { Note } from "@/components/layout";
import { Button, TextField } from "@/components/ui";
import { Words } from "@/components/words";
import type { WebhookEvent } from "@/gql/graphql";
import type { Action } from "@/lib/use-action";
import { m } from "./messages";
import { EVENTS } from "./state";

interface Props {
  start: { url: string; events: readonly WebhookEvent[] };
  label: string;
  action: Action;
  save: (url: string, events: WebhookEvent[]) => Promise<boolean>;
  /** Empty the form once it is saved. */
  clear?: boolean;
}

/** Where to, and about what. */
export function WebhookForm({ start, label, action, save, clear = false }: Props) {
  const [url, setUrl] = useState(start.url);
  const [events, setEvents] = useState<readonly WebhookEvent[]>(start.events);
  const general = action.otherThan("url", "events");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if ((await save(url.trim(), [...events])) && clear) setUrl("");
  };
  const toggle = (event: WebhookEvent, on: boolean) =>
    setEvents(EVENTS.map((each) => each.event).filter((each) => (each === event ? on : events.includes(each))));
  return (
    <form onSubmit={submit} className="grid grid-cols-1 gap-4">
      {general && <Note tone="bad" title={<Words text={general} />} />}
      <TextField
        label={m.addressOfTheReceiver}
        type="url"
        required
        placeholder="https://example.org/hooks/karyaksham"
        value={url}
        error={action.errorOf("url")}
        onChange={(event) => setUrl(event.target.value)}
      />
      <fieldset>
        <legend className="text-sm font-medium">{m.tellItWhenAJobHas}</legend>
        <div className="mt-1 flex flex-wrap gap-x-5 gap-y-1">
          {EVENTS.map(({ event, text }) => (
            <label key={event} className="flex items-center gap-2">
              <input
                type="checkbox"
                className="size-4 accent-accent"
                checked={events.includes(event)}
                onChange={(change) => toggle(event, change.target.checked)}
              />
              {text()}
            </label>
          ))}
        </div>
        {(events.length === 0 || action.errorOf("events")) && (
          <p className="text-sm text-bad">{action.errorOf("events") ?? m.chooseOneAtLeast}</p>
        )}
      </fieldset>
      <div>
        <Button type="submit" variant="primary" busy={action.busy} disabled={events.length === 0}>
          {label}
        </Button>
      </div>
    </form>
  );
}
