import { type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { onlyReads, parseMountOptions } from "@bulkhead/server/options";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError, report, UsageError } from "../command-line/errors.js";
import { reasonOf } from "../command-line/reason.js";
import { startServer } from "../mount/background.js";
import { checkPaths, unheededWords } from "../mount/request.js";

export async function run(given: GivenArguments): Promise<number> {
  const [source, mountpoint] = given.positionals as [string, string];
  const options = given.values("options");
  const settings = parseMountOptions(options);
  // Here, who says rw means it; mount(8) says it whenever it is told nothing else.
  const reading = onlyReads(settings);
  if (reading !== undefined && lastAccess(options) === "rw") {
    const [option, how] = reading;
    throw new UsageError(`rw and ${option} exclude each other: ${how}, SOURCE is only read`);
  }
  if (settings.journalPath !== undefined) settings.journalPath = resolve(settings.journalPath);
  const request = {
    source: resolve(source),
    mountpoint: resolve(mountpoint),
    settings,
    options,
    uncontained: given.flag("uncontained"),
    logFile: given.value("log") === undefined ? undefined : resolve(given.value("log")!),
  };
  checkPaths(request);
  checkExistence(source, mountpoint);
  for (const word of unheededWords(settings)) report("mount", `-o ${word} takes root, and is ignored`);
  if (request.uncontained) {
    report(
      "mount",
      "--uncontained: what reads the file system has all that this user may do, if it is made to go wrong",
    );
  }
  if (given.flag("foreground")) {
    const { serveInForeground } = await import("../mount/serve.js");
    return serveInForeground(request);
  }
  return startServer(request, (warning) => report("mount", warning));
}

function lastAccess(options: readonly string[]): string | undefined {
  return options.flatMap((list) => list.split(",")).findLast((word) => word === "rw" || word === "ro");
}

/** What can be told at once, before a server is started. */
function checkExistence(source: string, mountpoint: string): void {
  let stat: Stats;
  try {
    stat = statSync(source);
  } catch (error) {
    throw new CommandError(`cannot open ${source}: ${reasonOf(error)}`);
  }
  if (!stat.isFile() && !stat.isBlockDevice()) {
    throw new CommandError(`cannot open ${source}: it is neither a file nor a block device`);
  }
  let isDirectory: boolean;
  try {
    isDirectory = statSync(mountpoint).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTCONN") {
      throw new CommandError(
        `the server of the mount at ${mountpoint} is gone; clear it with: bulkhead umount ${mountpoint}`,
      );
    }
    throw new CommandError(`cannot mount at ${mountpoint}: ${reasonOf(error)}`);
  }
  if (!isDirectory) throw new CommandError(`cannot mount at ${mountpoint}: it is no directory`);
}
