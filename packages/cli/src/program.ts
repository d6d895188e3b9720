/** The program that bin/bulkhead.js runs. */
import { exactArguments } from "./command-line/exact-arguments.js";
import { main } from "./main.js";

process.exitCode = await main(await exactArguments());
