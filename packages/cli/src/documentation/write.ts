/** Writes what is generated from the command table into the package: `node dist/src/documentation/write.js`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { version } from "../main.js";
import { completionScript, shells } from "./completion.js";
import { manPages } from "./man-page.js";

const root = new URL("../../../", import.meta.url);
for (const folder of ["man/", "completion/"]) mkdirSync(new URL(folder, root), { recursive: true });
for (const [name, text] of manPages(version())) writeFileSync(new URL(`man/${name}`, root), text);
for (const shell of shells) writeFileSync(new URL(`completion/bulkhead.${shell}`, root), completionScript(shell));
