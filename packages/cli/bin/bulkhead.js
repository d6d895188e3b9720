#!/usr/bin/env node
import { exactArguments } from "../dist/src/command-line/exact-arguments.js";
import { main } from "../dist/src/main.js";

process.exitCode = await main(await exactArguments());
