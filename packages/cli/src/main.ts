import { readFileSync } from "node:fs";
import { suggestion } from "@bulkhead/server/options/suggestion";
import { exitCodeOf, messageOf, report, trace, UsageError } from "./command-line/errors.js";
import { ExitCode } from "./command-line/exit-code.js";
import { about, commands } from "./commands/table.js";
import { complain, OutputClosed, print } from "./output/output.js";

/** The package's version. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return String(Reflect.get(manifest as object, "version"));
}

/** Runs the command line `args` (without `node` and the script). @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const name = args[0];
  const command = commands.find((candidate) => candidate.name === name);
  try {
    if (command === undefined) return await withoutCommand(args);
    const { parseArguments } = await import("./command-line/parse.js");
    const given = parseArguments(command, args.slice(1));
    if (given.flag("help")) {
      const { commandHelp } = await import("./command-line/help.js");
      print(commandHelp(command));
      return ExitCode.success;
    }
    return await (await command.load()).run(given);
  } catch (error) {
    if (error instanceof OutputClosed) return ExitCode.outputClosed;
    report(command?.name, messageOf(error));
    trace(error);
    return exitCodeOf(error);
  }
}

async function withoutCommand(args: readonly string[]): Promise<number> {
  const [name, topic, flag, list] = args;
  // By its type, libfuse's helper of mount(8) takes a mount's server for this command.
  if (flag === "-o" && list?.split(",").includes("remount") === true) {
    const { mountHelper } = await import("./mount-helper/main.js");
    const { mountBulkhead } = await import("./mount-helper/declaration.js");
    return mountHelper(mountBulkhead, args);
  }
  if (name === "--version") {
    print(`bulkhead ${version()}\n`);
    return ExitCode.success;
  }
  if (name === "help" && topic !== undefined) return main([topic, "--help"]);
  const { overallHelp } = await import("./command-line/help.js");
  if (name === "--help" || name === "-h" || name === "help") {
    print(overallHelp(commands, about));
    return ExitCode.success;
  }
  if (name === undefined) {
    complain(overallHelp(commands, about));
    return ExitCode.usage;
  }
  const names = commands.map((command) => command.name);
  throw new UsageError(`unknown command ${name}${suggestion(name, names)}; bulkhead --help lists them`);
}
