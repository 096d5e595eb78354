// Completes package-lock.json with the optional builds for other platforms that a partial registry mirror leaves out.
// Without them `npm ci` refuses the lock. Versions are those that the parents pin; run it after `npm install <package>`.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const file = fileURLToPath(new URL("../package-lock.json", import.meta.url));
const lock = JSON.parse(readFileSync(file, "utf8"));
const OS = ["android", "darwin", "freebsd", "linux", "openbsd", "netbsd", "openharmony", "win32", "aix", "sunos"];
const CPU = ["arm64", "x64", "ia32", "arm", "riscv64", "ppc64", "s390x", "wasm32", "loong64", "mips64el"];

/** os, cpu and libc as the names of such packages tell: `…-linux-arm64-musl`. */
function platform(name) {
  const words = name.split("/").at(-1).split(/[-.]/);
  const libc = words.some((word) => /musl/.test(word))
    ? "musl"
    : words.some((word) => /^gnu/.test(word))
      ? "glibc"
      : null;
  const os = OS.find((each) => words.includes(each));
  const cpu = CPU.find((each) => words.includes(each) || (each === "ppc64" && words.includes("ppc64le")));
  return {
    ...(cpu && { cpu: [cpu] }),
    ...(os && { os: [os] }),
    ...(libc && os === "linux" && { libc: [libc] }),
  };
}

let added = 0;
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${path}/node_modules/${name}`;
    const top = `node_modules/${name}`;
    if (lock.packages[nested] || lock.packages[top] || !/^\d/.test(version)) continue;
    lock.packages[top] = { version, ...platform(name), ...(entry.dev && { dev: true }), optional: true };
    added += 1;
  }
}
if (added > 0) {
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([one], [other]) => (one < other ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(`${added} builds for other platforms added`);
