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
import { m } from "./messages";
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
  if (!webhook && fetching) return <Loading what={m.loadingTheWebhook} />;
  if (!webhook) {
    return (
      <Empty title={m.noSuchWebhook}>
        <Link to="/webhooks" className={buttonClass()}>
          {m.allWebhooks}
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
        data
        note={
          <span className="flex flex-wrap items-center gap-3">
            <WebhookState webhook={webhook} /> {m.madeAgo({ ago: <Ago time={webhook.createdAt} /> })}
          </span>
        }
      >
        <Actions webhook={webhook} changed={changed} />
      </PageHeader>
      <div className="grid grid-cols-1 gap-4">
        {webhook.disabledReason && (
          <Note tone="bad" title={<Words text={webhook.disabledReason.message} />} hint={m.onceItAnswersAgain} />
        )}
        {!webhook.disabledReason && webhook.failingSince && (
          <Note tone="warn" title={m.receiverTakesNothing}>
            <p className="text-sm">{m.failingSince({ ago: <Ago time={webhook.failingSince} /> })}</p>
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
      start={m.letItSend}
      question={m.deleteWithMessages}
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
    <Panel title={m.settings}>
      <WebhookForm
        start={webhook}
        label={m.save}
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
