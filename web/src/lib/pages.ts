/** Pages that are loaded when they are first opened, and wait where the service cannot be reached. */
import { lazyRouteComponent } from "@tanstack/react-router";
import { outdated } from "./documents";
import { m } from "./messages";
import { answers, suspect, untilThere } from "./reach";

/** A page's script is gone from a service that answers: a newer version of it is there. */
export class PageGone extends Error {
  override readonly name = "PageGone";
}

/** Load a module; through lost connections. */
async function load<M>(importer: () => Promise<M>): Promise<M> {
  for (;;) {
    try {
      return await importer();
    } catch (error) {
      if (await answers()) {
        outdated.set(true);
        throw new PageGone(m.olderVersion, { cause: error });
      }
      suspect();
      await new Promise((resolve) => setTimeout(resolve, 500));
      await untilThere();
    }
  }
}

/** The router's lazy page, without its reload: a reload without a connection would lose everything open. */
export const page: typeof lazyRouteComponent = (importer, name) => lazyRouteComponent(() => load(importer), name);
