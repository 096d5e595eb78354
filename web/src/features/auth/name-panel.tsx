import { useClient } from "urql";
import { Ago, Data } from "@/components/data";
import { Facts, Panel } from "@/components/layout";
import { Button, TextField } from "@/components/ui";
import { type AccountPageQuery, UpdateProfileDocument } from "@/gql/graphql";
import { act } from "@/lib/client";
import { session } from "@/lib/session";
import { useForm } from "./form";
import { m } from "./messages";

type Me = NonNullable<AccountPageQuery["me"]>;

/** Who one is here; the name can be changed, the address is what one signs in with. */
export function NamePanel({ me }: { me: Me }) {
  const client = useClient();
  const form = useForm(["name"], async ({ name = "" }) => {
    const { user } = await act(client, UpdateProfileDocument, { input: { name } });
    session.set({ status: "signedIn", user });
  });
  return (
    <Panel title={m.profile}>
      <div className="grid grid-cols-1 gap-4">
        <Facts
          facts={[
            [m.eMail, <Data key="email">{me.email}</Data>],
            [m.since, <Ago key="since" time={me.createdAt} />],
          ]}
        />
        <form key={me.name} onSubmit={form.submit} className="grid items-end gap-3 sm:grid-cols-[1fr_auto]">
          <TextField
            label={m.name}
            name="name"
            autoComplete="name"
            required
            maxLength={100}
            defaultValue={me.name}
            error={form.errorOf("name") ?? form.general?.message}
          />
          <Button type="submit" busy={form.busy}>
            {m.rename}
          </Button>
        </form>
      </div>
    </Panel>
  );
}
