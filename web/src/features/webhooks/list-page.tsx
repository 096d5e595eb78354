import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useClient } from "urql";
import { Ago } from "@/components/data";
import { Empty, PageHeader, Panel } from "@/components/layout";
import { Listing } from "@/components/more";
import { Cell, Row, Table } from "@/components/table";
import { CreateWebhookDocument, WebhooksDocument } from "@/gql/graphql";
import { act } from "@/lib/client";
import { formatList } from "@/lib/i18n";
import { usePages } from "@/lib/paging";
import { useAction } from "@/lib/use-action";
import { WebhookForm } from "./form";
import { m } from "./messages";
import { NewSecret } from "./secret";
import { EVENTS, WebhookState } from "./state";

const ALL = { url: "", events: EVENTS.map(({ event }) => event) };

export function WebhooksPage() {
  const list = usePages(WebhooksDocument, { first: 50 }, (data) => data.webhooks);
  return (
    <>
      <PageHeader title={m.webhooks} note={m.whatWebhooksAre} />
      <div className="grid grid-cols-1 gap-4">
        <NewWebhook made={list.reload} />
        <Listing
          list={list}
          what={m.loadingWebhooks}
          empty={
            <Empty title={m.noWebhooksYet}>
              <p>{m.howMessagesAreSent}</p>
            </Empty>
          }
        >
          <Panel className="!p-0">
            <Table caption={m.webhooks} head={[m.address, m.state, m.tellsOfJobsThatHave, m.made]}>
              {list.items?.map((webhook) => (
                <Row key={webhook.id}>
                  <Cell plain>
                    <Link
                      to="/webhooks/$id"
                      params={{ id: webhook.id }}
                      className="font-medium break-all text-accent hover:underline"
                      translate="no"
                    >
                      {webhook.url}
                    </Link>
                  </Cell>
                  <Cell>
                    <WebhookState webhook={webhook} />
                  </Cell>
                  <Cell plain>
                    {formatList(EVENTS.filter(({ event }) => webhook.events.includes(event)).map(({ text }) => text()))}
                  </Cell>
                  <Cell>
                    <Ago time={webhook.createdAt} />
                  </Cell>
                </Row>
              ))}
            </Table>
          </Panel>
        </Listing>
      </div>
    </>
  );
}

/** Makes a webhook and shows its secret this once. */
function NewWebhook({ made }: { made: () => void }) {
  const client = useClient();
  const action = useAction();
  const [secret, setSecret] = useState<string | null>(null);
  const create = (url: string, events: (typeof ALL.events)[number][]) =>
    action.run(async () => {
      const answer = await act(client, CreateWebhookDocument, { input: { url, events } });
      setSecret(answer.secret);
      made();
    });
  return (
    <Panel title={m.newWebhook}>
      <div className="grid grid-cols-1 gap-4">
        <WebhookForm start={ALL} label={m.makeWebhook} action={action} save={create} clear />
        {secret && <NewSecret secret={secret} />}
      </div>
    </Panel>
  );
}
