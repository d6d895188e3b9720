import { resolve } from "node:path";
import { stringToName } from "@bulkhead/ext4";
import { isMountOption, parseMountOptions } from "@bulkhead/server/options";
import { type HelperResult, hasService, runHelper, HelperExit as ServiceExit } from "@bulkhead/service";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError } from "../command-line/errors.js";
import { helperArguments, planMount } from "../mount/keeper/arguments.js";
import { DIRTY_SHARE, READ_AHEAD_KIB } from "../mount/keeper/keeper.js";
import type { MountRequest } from "../mount/request.js";
import { type MountCall, readCall, socketDirectory } from "./call.js";
import { HelperExit } from "./exit.js";

/** Behind the socket of this name no other product's server answers. */
const TYPE = "bulkhead";

/** mount.bulkhead: the service of ours serves it, or a server that is started for it. */
export async function run(given: GivenArguments): Promise<number> {
  const { socketDirectory: directory } = socketDirectory();
  if (given.flag("check")) return hasService(TYPE, directory) ? 0 : 1;
  const call = readCall(given);
  const request = requestOf(call);
  if (call.fake) return HelperExit.mounted;
  const byService = hasService(TYPE, directory) && (await askService(request, given.flag("no-mtab")));
  if (!byService) {
    const { startServer } = await import("../mount/background.js");
    if ((await startServer(request)) !== 0) return HelperExit.interrupted;
  }
  if (call.verbose)
    process.stdout.write(`mount.bulkhead: mounted by ${byService ? "the service" : "its own server"}\n`);
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

/** False when nobody listens any more. @throws CommandError when it does not mount */
async function askService(request: MountRequest, noTable: boolean): Promise<boolean> {
  const log = (line: string) => void process.stderr.write(`mount.bulkhead: ${line}\n`);
  const plan = planMount(request, log);
  const ask = (asDevice: boolean): Promise<HelperResult> =>
    runHelper({
      arguments: [...helperArguments(request, { ...plan, asDevice }).map(stringToName), ...(noTable ? ["-n"] : [])],
      ...socketDirectory(),
      extensions: true,
      readAheadKb: READ_AHEAD_KIB,
      dirtyShare: DIRTY_SHARE,
      log,
    });
  const first = await ask(plan.asDevice);
  // A kernel that does not mount the device as its own has a plain mount.
  const { exitCode, refusal } = plan.asDevice && first.refusal !== undefined ? await ask(false) : first;
  if (exitCode === ServiceExit.MOUNTED) return true;
  if (exitCode === ServiceExit.NO_SERVICE) return false;
  const why = refusal?.message ?? "the service has logged why: journalctl -t bulkhead";
  throw new CommandError(`cannot mount ${request.source}: ${why}`);
}
