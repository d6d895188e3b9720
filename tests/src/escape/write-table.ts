/** Writes the tables of attempts into docs/containment.md. */
import { readFileSync, writeFileSync } from "node:fs";
import { DOCUMENT, withAttempts } from "./table.js";

writeFileSync(DOCUMENT, withAttempts(readFileSync(DOCUMENT, "utf8")));
