import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { useClient, useQuery } from "urql";
import { Ago } from "@/components/data";
import { Empty, Failed, Loading, Note, PageHeader, Panel } from "@/components/layout";
import { SwitchOrDelete } from "@/components/switch-or-delete";
import { buttonClass } from "@/components/ui";
import { Words } from "@/components/words";
import {
  DeleteWebhookDocument,
  UpdateWebhookDocument,
  WebhookPageDocument,
  type WebhookRowFragment,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { fromCombined } from "@/lib/refusal";
import { useAction } from "@/lib/use-action";
import { Deliveries } from "./deliveries";
import { WebhookForm } from "./form";
import { Secret } from "./secret";
import { WebhookState } from "./state";

/** Messages go out by themselves: the page looks again this often, in milliseconds. */
const POLL = 5000;

export function WebhookPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const [{ data, error, fetching }, again] = useQuery({ query: WebhookPageDocument, variables: { id } });
  const reload = () => again({ requestPolicy: "network-only" });
  useEffect(() => {
    const timer = setInterval(() => again({ requestPolicy: "network-only" }), POLL);
    return () => clearInterval(timer);
  }, [again]);
  const webhook = data?.webhook;
  if (error && !webhook) return <Failed error={fromCombined(error)} retry={reload} />;
  if (!webhook && fetching) return <Loading what="Loading the webhook" />;
  if (!webhook) {
    return (
      <Empty title="There is no such webhook.">
        <Link to="/webhooks" className={buttonClass()}>
          All webhooks
        </Link>
      </Empty>
    );
  }
  return <Page webhook={webhook} changed={reload} />;
}

function Page({ webhook, changed }: { webhook: WebhookRowFragment; changed: () => void }) {
  return (
    <>
      <PageHeader
        title={webhook.url}
        note={
          <span className="flex flex-wrap items-center gap-3">
            <WebhookState webhook={webhook} /> made <Ago time={webhook.createdAt} />
          </span>
        }
      >
        <Actions webhook={webhook} changed={changed} />
      </PageHeader>
      <div className="grid grid-cols-1 gap-4">
        {webhook.disabledReason && (
          <Note
            tone="bad"
            title={<Words text={webhook.disabledReason.message} />}
            hint="Once the receiver answers again, let the messages go out: those that wait are sent."
          />
        )}
        {!webhook.disabledReason && webhook.failingSince && (
          <Note tone="warn" title="The receiver has not taken a message for a while.">
            <p className="text-sm">
              Since <Ago time={webhook.failingSince} />. After three days it is stopped.
            </p>
          </Note>
        )}
        <Deliveries id={webhook.id} poll={POLL} />
        <Secret webhook={webhook} changed={changed} />
        <Settings webhook={webhook} changed={changed} />
      </div>
    </>
  );
}

function Actions({ webhook, changed }: { webhook: WebhookRowFragment; changed: () => void }) {
  const client = useClient();
  const navigate = useNavigate();
  const { id, enabled } = webhook;
  return (
    <SwitchOrDelete
      enabled={enabled}
      start="Let it send"
      question="Delete it with its messages?"
      toggle={async () => {
        await act(client, UpdateWebhookDocument, { input: { id, enabled: !enabled } });
        changed();
      }}
      remove={async () => {
        await act(client, DeleteWebhookDocument, { input: { id } });
        await navigate({ to: "/webhooks" });
      }}
    />
  );
}

function Settings({ webhook, changed }: { webhook: WebhookRowFragment; changed: () => void }) {
  const client = useClient();
  const action = useAction();
  return (
    <Panel title="Settings">
      <WebhookForm
        start={webhook}
        label="Save"
        action={action}
        save={(url, events) =>
          action.run(async () => {
            await act(client, UpdateWebhookDocument, { input: { id: webhook.id, url, events } });
            changed();
          })
        }
      />
    </Panel>
  );
}
