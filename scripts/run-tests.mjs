// node run-tests.mjs SKIPPED FILE …: runs test files, three at a time and in this order (node --test runs them in the order of their
// names). Lists the skipped tests in the file SKIPPED.
import { createWriteStream } from "node:fs";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import skips from "./skips.mjs";

const [skipped, ...files] = process.argv.slice(2);
// One more than the cores of a small machine: whoever mounts waits for the disk as much as it computes.
const tests = run({ files, concurrency: 3 });
tests.on("test:fail", ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1;
});
tests.compose(new spec()).pipe(process.stdout);
tests.compose(skips).pipe(createWriteStream(skipped));
