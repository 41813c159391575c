/** A page for the browser tests alone (`web/e2e/hostile.test.ts`), built as the page is. Nothing of it is shipped. */

import { fileURLToPath } from "node:url";
import { mergeConfig } from "vite";

import page from "../../vite.config.ts";

export default mergeConfig(page, {
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/hostile/",
  build: { outDir: fileURLToPath(new URL("../../../e2e/dist/hostile-page", import.meta.url)), emptyOutDir: true },
});
