import { spawnSync } from "node:child_process";
import type { CommandDeclaration, GivenArguments } from "../command-line/declaration.js";
import { messageOf, UsageError } from "../command-line/errors.js";
import { parseArguments } from "../command-line/parse.js";
import { complain, OutputClosed, print } from "../output/output.js";
import { HelperExit } from "./exit.js";

/** Runs a mount helper with the arguments that mount(8) gives it. @returns the exit code */
export async function mountHelper(helper: CommandDeclaration, args: readonly string[]): Promise<number> {
  try {
    const given = parseArguments(helper, args);
    if (given.flag("help")) {
      const { commandHelp } = await import("../command-line/help.js");
      print(commandHelp(helper));
      return HelperExit.mounted;
    }
    const namespace = given.value("namespace");
    if (namespace !== undefined) return runInNamespace(namespace, given);
    return await (await helper.load()).run(given);
  } catch (error) {
    // What is printed comes last.
    if (error instanceof OutputClosed) return HelperExit.mounted;
    complain(`${helper.name}: ${messageOf(error)}\n`);
    return error instanceof UsageError ? HelperExit.usage : HelperExit.failed;
  }
}

/** A process with threads cannot change its mount namespace: another one of this program is started there. */
function runInNamespace(namespace: string, given: GivenArguments): number {
  const path = /^\d+$/.test(namespace) ? `/proc/${namespace}/ns/mnt` : namespace;
  const flags = ["sloppy", "fake", "no-mtab", "verbose", "check"].filter((name) => given.flag(name));
  const args = [
    ...flags.map((name) => `--${name}`),
    ...given.values("options").map((list) => `--options=${list}`),
    ...given.values("types").map((type) => `--types=${type}`),
    "--",
    ...given.positionals,
  ];
  const [program = ""] = process.argv.slice(1);
  const { status, error } = spawnSync("nsenter", [`--mount=${path}`, "--", process.execPath, program, ...args], {
    stdio: "inherit",
  });
  if (error !== undefined) throw error;
  return status ?? HelperExit.failed;
}
