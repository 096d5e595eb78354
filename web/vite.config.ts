import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// The dev server hands API calls to a running `karyaksham up` (KARYAKSHAM_URL=http://127.0.0.1:8000 npm run dev).
const api = process.env.KARYAKSHAM_URL ?? "http://127.0.0.1:8000";

/** Writes each script and style packed beside itself: the API serves it so, as packing per request would break SSE. */
const packed: Plugin = {
  name: "packed",
  apply: "build",
  // from the files as written: other plugins change the code until the very end
  writeBundle({ dir = "" }, bundle) {
    for (const name of Object.keys(bundle).filter((each) => /\.(js|css)$/.test(each))) {
      const file = join(dir, name);
      writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
    }
  },
};

export default defineConfig({
  plugins: [react(), tailwindcss(), packed],
  resolve: { alias: { "@": fileURLToPath(new URL("src", import.meta.url)) } },
  server: { proxy: { "/graphql": { target: api, ws: true, changeOrigin: true }, "/auth": { target: api } } },
  build: {
    outDir: "../graph/static",
    emptyOutDir: true,
    // A strict Content-Security-Policy has no room for data: fonts or inline module preloads.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
  },
  test: { include: ["src/**/*.test.ts", "scripts/**/*.test.mjs"], environment: "node" },
});
