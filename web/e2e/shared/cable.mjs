// A network cable between browser and service, which can be pulled: then nothing connects and what was open is cut.
import { connect, createServer } from "node:net";

/** Lay a cable to the service at `target`; `url` is its near end. */
export async function lay(target) {
  const { hostname, port } = new URL(target);
  const open = new Set();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  const listen = (on) => new Promise((resolve) => server.listen(on, "127.0.0.1", resolve));
  await listen(0);
  const near = server.address().port;
  return {
    url: `http://127.0.0.1:${near}`,
    async pull() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
    plug: () => listen(near),
  };
}
