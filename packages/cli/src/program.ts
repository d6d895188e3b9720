/** The program that the files in bin/ run; which of them it was says what is wanted. */
import { basename } from "node:path";
import { exactArguments } from "./command-line/exact-arguments.js";
import { main } from "./main.js";
import { mountHelpers } from "./mount-helper/declaration.js";

const args = await exactArguments();
const name = basename(process.argv[1] ?? "", ".js");
const helper = mountHelpers.find((candidate) => candidate.name === name);
if (helper === undefined) process.exitCode = await main(args);
else {
  const { mountHelper } = await import("./mount-helper/main.js");
  process.exitCode = await mountHelper(helper, args);
}
