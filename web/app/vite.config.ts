import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { compress } from "./compress.ts";

/** `npm run dev` talks to a server that is already running. */
const server = process.env["WEIR_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react(), compress()],
  resolve: {
    alias: {
      "@weir/client": fileURLToPath(new URL("../client/src/index.ts", import.meta.url)),
      // Its variant for browsers decodes by `innerHTML`, which the server's policy forbids.
      "decode-named-character-reference": fileURLToPath(
        new URL("node_modules/decode-named-character-reference/index.js", import.meta.url),
      ),
    },
  },
  build: {
    target: "es2022",
    // The server's policy allows no script that is not a file, and no `data:` ones.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/v1": { target: server, ws: true } } },
  test: { include: ["test/**/*.test.{ts,tsx}"] },
});
