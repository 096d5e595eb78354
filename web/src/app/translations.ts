/** The languages beside English. How to add one: `docs/translating.md`. */
import type { m as components } from "@/components/messages";
import type { m as admin } from "@/features/admin/messages";
import type { m as auth } from "@/features/auth/messages";
import type { m as datasets } from "@/features/datasets/messages";
import type { m as jobs } from "@/features/jobs/messages";
import type { m as pipelines } from "@/features/pipelines/messages";
import type { m as schedules } from "@/features/schedules/messages";
import type { m as webhooks } from "@/features/webhooks/messages";
import type { m as workspaces } from "@/features/workspaces/messages";
import type { Translation } from "@/lib/i18n";
import type { m as lib } from "@/lib/messages";
import type { m as app } from "./messages";

/** All texts in one language. */
export type Catalogue = {
  app: Translation<typeof app>;
  components: Translation<typeof components>;
  lib: Translation<typeof lib>;
  admin: Translation<typeof admin>;
  auth: Translation<typeof auth>;
  datasets: Translation<typeof datasets>;
  jobs: Translation<typeof jobs>;
  pipelines: Translation<typeof pipelines>;
  schedules: Translation<typeof schedules>;
  webhooks: Translation<typeof webhooks>;
  workspaces: Translation<typeof workspaces>;
};

export const TRANSLATIONS: Readonly<Record<string, { name: string; load: () => Promise<Catalogue> }>> = {};
