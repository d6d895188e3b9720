// npm run bench: builds, then measures. See bench/src/main.ts.
import { join } from "node:path";
import { must, prepare, root } from "./prepare.mjs";

prepare();
must(process.execPath, [join(root, "bench", "dist", "main.js"), ...process.argv.slice(2)]);
