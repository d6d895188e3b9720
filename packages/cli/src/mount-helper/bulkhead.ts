import { resolve } from "node:path";
import { isMountOption, parseMountOptions } from "@bulkhead/server/options";
import { hasService, HelperExit as ServiceExit } from "@bulkhead/service";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError } from "../command-line/errors.js";
import { startServer } from "../mount/background.js";
import { checkPaths, type MountRequest, SERVICE_TYPE, unheededWords } from "../mount/request.js";
import { print } from "../output/output.js";
import { type MountCall, readCall, socketDirectory } from "./call.js";
import { HelperExit } from "./exit.js";
import { remount } from "./remount.js";

/** mount.bulkhead: the service of ours serves it, or a server that is started for it. */
export async function run(given: GivenArguments): Promise<number> {
  const { socketDirectory: directory } = socketDirectory();
  if (given.flag("check")) return hasService(SERVICE_TYPE, directory) ? 0 : 1;
  const call = readCall(given);
  if (call.remount) {
    if (!call.fake) remount(call);
    return HelperExit.mounted;
  }
  const request = requestOf(call);
  checkPaths(request);
  if (call.fake) return HelperExit.mounted;
  for (const word of unheededWords(request.settings)) {
    process.stderr.write(`mount.bulkhead: -o ${word} takes root, and is ignored\n`);
  }
  const service = { directory, noTable: given.flag("no-mtab") };
  const byService = hasService(SERVICE_TYPE, directory) ? await started({ ...request, service }) : "no service";
  const outcome = byService === "no service" ? await started(request) : byService;
  if (outcome === "interrupted") return HelperExit.interrupted;
  if (call.verbose) {
    const by = byService === "no service" ? "its own server" : "the service";
    print(`mount.bulkhead: mounted by ${by}\n`);
  }
  return HelperExit.mounted;
}

/** @throws UsageError for an option that is none */
function requestOf({ source, directory, words, sloppy }: MountCall): MountRequest {
  const options = sloppy ? words.filter(isMountOption) : [...words];
  // As the kernel's ext4: the permissions that are in it decide who may do what.
  if (process.getuid?.() === 0 && !options.includes("allow_other")) options.push("allow_other");
  const settings = parseMountOptions(options);
  if (settings.journalPath !== undefined) settings.journalPath = resolve(settings.journalPath);
  return { source, mountpoint: directory, settings, options, uncontained: false, logFile: undefined };
}

/** `no service`: nobody listens any more, and nothing has happened. @throws CommandError when it does not mount */
async function started(request: MountRequest): Promise<"mounted" | "interrupted" | "no service"> {
  try {
    const code = await startServer(request, (warning) => process.stderr.write(`mount.bulkhead: ${warning}\n`));
    return code === 0 ? "mounted" : "interrupted";
  } catch (error) {
    const nobody = error instanceof CommandError && error.exitCode === ServiceExit.NO_SERVICE;
    if (request.service !== undefined && nobody) return "no service";
    throw error;
  }
}
