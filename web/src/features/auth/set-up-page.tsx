import { useState } from "react";
import { Note } from "@/components/layout";
import { Button } from "@/components/ui";
import { freshToken } from "@/lib/session";
import { useAction } from "@/lib/use-action";
import { AuthFrame } from "./frame";
import { m } from "./messages";
import { RecoveryCodes, SetUp } from "./second-factor-panel";
import { signOut } from "./sign-out";

/** For those of whom a second factor is demanded, and who have none: the session does nothing else before. */
export function SetUpPage() {
  const [codes, setCodes] = useState<readonly string[]>([]);
  const going = useAction();
  return (
    <AuthFrame title={m.secondFactor}>
      {codes.length === 0 ? (
        <>
          <Note title={m.secondFactorIsDemanded} />
          <SetUp made={setCodes} narrow />
          <Button variant="ghost" onClick={signOut}>
            {m.signOut}
          </Button>
        </>
      ) : (
        <>
          <RecoveryCodes codes={codes} />
          {going.refusal && <Note tone="bad" title={going.refusal.message} />}
          <Button variant="primary" busy={going.busy} onClick={() => going.run(() => freshToken(true))}>
            {m.goOn}
          </Button>
        </>
      )}
    </AuthFrame>
  );
}
