// npm run bench: builds, then measures. See bench/src/main.ts, and with `-- file-io …`, bench/src/file-io.ts.
import { join } from "node:path";
import { must, prepare, root } from "./prepare.mjs";

prepare();
const [first = "", ...more] = process.argv.slice(2);
const isProgram = first !== "" && !first.startsWith("-");
const args = isProgram ? [`${first}.js`, ...more] : ["main.js", first, ...more].filter((one) => one !== "");
must(process.execPath, [join(root, "bench", "dist", args[0]), ...args.slice(1)]);
