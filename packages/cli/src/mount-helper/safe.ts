import { stringToName } from "@bulkhead/ext4/names";
import { hasService, runHelper } from "@bulkhead/service";
import type { GivenArguments } from "../command-line/declaration.js";
import { UsageError } from "../command-line/errors.js";
import { complain, print } from "../output/output.js";
import { printable } from "../output/printable.js";
import { readCall, socketDirectory } from "./call.js";
import { HelperExit } from "./exit.js";

/** mount.safe: whoever listens for the type serves it. */
export async function run(given: GivenArguments): Promise<number> {
  const type = given.values("types")[0]?.replace(/^safe\./, "");
  if (type === undefined || type === "safe") {
    throw new UsageError("which type of file system? mount -t safe.TYPE, as in safe.ext4");
  }
  if (given.flag("check")) return hasService(type, socketDirectory().socketDirectory) ? 0 : 1;
  const call = readCall(given);
  if (call.remount) {
    throw new UsageError("a mounted file system cannot be changed: unmount it, and mount it with the new options");
  }
  if (call.fake) return HelperExit.mounted;
  const { exitCode, goodbye } = await runHelper({
    arguments: [
      ...[stringToName(call.source), stringToName(call.directory), "-t", type],
      ...(call.words.length === 0 ? [] : ["-o", stringToName(call.words.join(","))]),
      ...(given.flag("no-mtab") ? ["-n"] : []),
    ],
    ...socketDirectory(),
    log: (message) => complain(`mount.safe: ${printable(message)}\n`),
  });
  // What it has to say goes to its own log.
  if (goodbye !== undefined && goodbye !== 0)
    complain(
      `mount.safe: ${printable(call.source)}: the service for ${type} has not mounted it; its log may say why\n`,
    );
  if (exitCode === 0 && call.verbose) print(`mount.safe: mounted by the service for ${type}\n`);
  return exitCode === 1 ? HelperExit.failed : exitCode;
}
