import { RouterProvider } from "@tanstack/react-router";
import { useEffect, useMemo } from "react";
import { Provider } from "urql";
import { Loading, Note } from "@/components/layout";
import { Button } from "@/components/ui";
import { UploadContext } from "@/features/datasets/upload/context";
import { UploadManager } from "@/features/datasets/upload/manager";
import { createApi } from "@/lib/client";
import { locale } from "@/lib/i18n";
import { createLive, LiveContext } from "@/lib/live";
import { useReturn } from "@/lib/reach";
import { restore, type Session, session } from "@/lib/session";
import { useStore } from "@/lib/store";
import { workspace } from "@/lib/workspace";
import { m } from "./messages";
import { router } from "./router";

/** Everything that belongs to one user in one workspace: thrown away as a whole when either changes. */
function open(userId: string, workspaceId: string | null) {
  const api = createApi(workspaceId);
  const live = createLive(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`, workspaceId);
  const uploads = new UploadManager(api, workspaceId ? `${userId} ${workspaceId}` : userId);
  return {
    api,
    live,
    uploads,
    close: () => {
      uploads.stop();
      live.close();
    },
  };
}

export function App() {
  const current = useStore(session);
  const workspaceId = useStore(workspace);
  if (current.status === "starting") return <Loading what={m.openingKaryaksham} />;
  if (current.status === "unreachable") return <Unreachable />;
  const userId = current.status === "signedIn" ? current.user.id : "";
  return <Opened key={`${userId} ${workspaceId}`} userId={userId} workspaceId={workspaceId} current={current} />;
}

interface OpenedProps {
  userId: string;
  workspaceId: string | null;
  current: Extract<Session, { status: "signedIn" | "settingUp" | "anonymous" }>;
}

function Opened({ userId, workspaceId, current }: OpenedProps) {
  const parts = useMemo(() => open(userId, workspaceId), [userId, workspaceId]);
  useEffect(() => () => parts.close(), [parts]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: who is signed in decides which pages may be seen
  useEffect(() => void router.invalidate(), [current.status]);
  // another language: every page is drawn anew, uploads go on
  const language = useStore(locale).text;
  return (
    <Provider value={parts.api}>
      <LiveContext value={parts.live}>
        <UploadContext value={parts.uploads}>
          <RouterProvider key={language} router={router} />
        </UploadContext>
      </LiveContext>
    </Provider>
  );
}

function Unreachable() {
  useReturn(restore);
  return (
    <main className="mx-auto mt-24 max-w-lg p-4">
      <Note tone="bad" title={m.serviceDoesNotAnswer} hint={m.serviceMayBeStarting}>
        <div className="mt-2">
          <Button onClick={restore}>{m.tryAgain}</Button>
        </div>
      </Note>
    </main>
  );
}
