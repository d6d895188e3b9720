import { stringToName } from "@bulkhead/ext4";
import { isMountOption, parseMountOptions } from "@bulkhead/server/options";
import { hasService, runHelper } from "@bulkhead/service";
import type { GivenArguments } from "../command-line/declaration.js";
import { ExitCode } from "../command-line/exit-code.js";
import { type MountCall, readCall, socketDirectory } from "./call.js";
import { HelperExit } from "./exit.js";

/** Behind the socket of this name no other product's server answers. */
const TYPE = "bulkhead";

/** mount.bulkhead: the service of ours serves it, or a server that is started for it. */
export async function run(given: GivenArguments): Promise<number> {
  const { socketDirectory: directory } = socketDirectory();
  if (given.flag("check")) return hasService(TYPE, directory) ? 0 : 1;
  const call = readCall(given);
  const words = call.sloppy ? call.words.filter(isMountOption) : [...call.words];
  // A mistake in them is told before anything is started.
  parseMountOptions([words.join(",")]);
  // As the kernel's ext4: the permissions that are in it decide who may do what.
  if (process.getuid?.() === 0 && !words.includes("allow_other")) words.push("allow_other");
  if (call.fake) return HelperExit.mounted;
  const byService = hasService(TYPE, directory);
  const exitCode = byService ? await askService(call, words, given.flag("no-mtab")) : await startServer(call, words);
  if (exitCode === HelperExit.mounted && call.verbose) {
    process.stdout.write(`mount.bulkhead: mounted by ${byService ? "the service" : "a server of its own"}\n`);
  }
  return exitCode;
}

async function askService(call: MountCall, words: readonly string[], noTable: boolean): Promise<number> {
  const { exitCode } = await runHelper({
    arguments: [
      ...[stringToName(call.source), stringToName(call.directory), "-t", TYPE],
      ...["-o", stringToName(words.join(",")), ...(noTable ? ["-n"] : [])],
    ],
    ...socketDirectory(),
    extensions: true,
  });
  return exitCode === 0 ? HelperExit.mounted : HelperExit.failed;
}

async function startServer(call: MountCall, words: readonly string[]): Promise<number> {
  const { main } = await import("../main.js");
  const exitCode = await main(["mount", ...["-o", words.join(",")], "--", call.source, call.directory]);
  switch (exitCode) {
    case ExitCode.success:
      return HelperExit.mounted;
    case ExitCode.usage:
      return HelperExit.usage;
    case ExitCode.interrupted:
    case ExitCode.terminated:
      return HelperExit.interrupted;
    default:
      return HelperExit.failed;
  }
}
