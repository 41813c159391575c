/** A plugin that lays a `.br` and a `.gz` beside whatever is worth it: the binary serves them as they are. */

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import type { Plugin } from "vite";

/** Below this many bytes it saves nothing that anyone notices. */
const WORTH_IT = 1024;

export function compress(): Plugin {
  let out = "dist";
  return {
    name: "weir-compress",
    apply: "build",
    configResolved(config) {
      out = config.build.outDir;
    },
    async closeBundle() {
      for (const entry of await readdir(out, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(html|js|css|svg|json)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const plain = await readFile(path);
        if (plain.length < WORTH_IT) continue;
        await writeFile(`${path}.br`, await promisify(brotliCompress)(plain));
        await writeFile(`${path}.gz`, await promisify(gzip)(plain, { level: 9 }));
      }
    },
  };
}
