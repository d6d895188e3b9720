import { lstatSync, realpathSync, statSync } from "node:fs";
import { nameToString, stringToName } from "@bulkhead/ext4";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError, report } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import { Problems } from "../command-line/problems.js";
import { Copier } from "../copy/copier.js";
import { type HostPath, pathIn } from "../copy/destination.js";
import { openHost } from "../copy/host.js";
import { Attributes, parsePreserve } from "../copy/preserve.js";
import { noProgress, openProgress, type Progress } from "../copy/progress.js";
import { Output } from "../output/output.js";
import { printable, printableName } from "../output/printable.js";
import { sourceSettings } from "../source/open-image.js";
import { type Found, Session } from "../source/session.js";
import { walk } from "../source/walk.js";

const DEFAULT_ACL = "system.posix_acl_default";

/** A source and where it goes. */
interface Errand {
  readonly found: Found;
  readonly path: HostPath;
  /** Whether `path` is the user's DEST itself, which keeps its attributes if it is there. */
  readonly isDestination: boolean;
}

export async function run(given: GivenArguments): Promise<number> {
  const preserve = parsePreserve(given.values("no-preserve"));
  const session = new Session(sourceSettings(given));
  const problems = new Problems("cp");
  const abort = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => abort.abort(signal);
  const umask = process.umask(0);
  let progress: Progress = noProgress;
  try {
    const errands = plan(given, session, problems);
    const host = await openHost();
    if (process.stderr.isTTY === true && !given.flag("quiet")) progress = await openProgress(totalBytes(errands));
    process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
    const warned = new Set<string>();
    const attributes = new Attributes(host, preserve, umask, (kind, message) => {
      if (warned.has(kind)) return;
      warned.add(kind);
      progress.interrupt(() => report("cp", `warning: ${message}`));
    });
    const output = new Output();
    const copier = new Copier({
      host,
      attributes,
      keepLinks: preserve.links,
      noClobber: given.flag("no-clobber"),
      inheritsAcl: errands.some(({ path }) => host.hasXattr(parentOrSelf(path), DEFAULT_ACL)),
      progress,
      signal: abort.signal,
      done(path) {
        if (!given.flag("verbose")) return;
        output.name(path);
        output.line();
        output.flush();
      },
      failed: (path, error) => progress.interrupt(() => problems.add(printableName(path), error)),
    });
    for (const errand of errands) await copyOne(errand, given, copier, problems, abort.signal);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    progress.stop();
    report("cp", "interrupted; what was copied until then is complete, the rest is missing");
    return abort.signal.reason === "SIGINT" ? ExitCode.interrupted : ExitCode.terminated;
  } finally {
    progress.stop();
    process.umask(umask);
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    session.close();
  }
  if (problems.count > 1) report("cp", `${problems.count} problems; the rest was copied`);
  return problems.exitCode;
}

/** Finds the sources, and decides by cp's rules where each goes. */
function plan(given: GivenArguments, session: Session, problems: Problems): Errand[] {
  const sources = given.positionals.slice(0, -1);
  const destination = given.positionals.at(-1)!;
  const isDirectory = statSync(destination, { throwIfNoEntry: false })?.isDirectory() === true;
  if (sources.length > 1 && !isDirectory) {
    throw new CommandError(`${destination} is no directory, and there are ${sources.length} sources`);
  }
  // The user may mean a link by DEST; those that an image brings are not followed.
  const named =
    isDirectory && lstatSync(destination.replace(/\/+$/, "") || "/").isSymbolicLink()
      ? realpathSync(destination)
      : destination;
  const top = Buffer.from(stringToName(named.replace(/(?<=.)\/+$/, "")));
  const errands: Errand[] = [];
  for (const source of sources) {
    try {
      const found = session.find(source, !given.flag("recursive"));
      if (found.inode.isDirectory && !given.flag("recursive")) {
        throw new CommandError(`${source} is a directory; copy it with -r`);
      }
      const name = lastName(found.path);
      const goesInside = isDirectory && name !== undefined;
      errands.push({ found, path: goesInside ? pathIn(top, name) : top, isDestination: !goesInside });
    } catch (error) {
      problems.add(printable(source), error);
    }
  }
  return errands;
}

/** The last component, undefined when the path stands for the contents of a directory: `/`, `/dir/.`, `/dir/..` */
function lastName(path: string): Uint8Array | undefined {
  const name = path.split("/").findLast((part) => part !== "");
  return name === undefined || name === "." || name === ".." ? undefined : stringToName(name);
}

async function copyOne(
  { found, path, isDestination }: Errand,
  given: GivenArguments,
  copier: Copier,
  problems: Problems,
  signal: AbortSignal,
): Promise<void> {
  const { ext4, inode } = found;
  if (inode.isDirectory) return copier.copyTree(ext4, inode, path, isDestination);
  try {
    await copier.copyFile(ext4, inode, path, lastName(found.path) ?? path);
  } catch (error) {
    if (signal.aborted) throw error;
    problems.add(printable(given.positionals.at(-1)!), error);
  }
}

/** Bytes of contents to copy, for the progress bar. */
function totalBytes(errands: readonly Errand[]): number {
  let total = 0;
  for (const { found } of errands) {
    const linked = new Set<number>();
    const count = ({ ino, isRegular, linksCount, size, blocks }: Found["inode"]) => {
      if (!isRegular || linked.has(ino)) return;
      if (linksCount > 1) linked.add(ino);
      total += Math.min(size, blocks * 512);
    };
    const { fs } = found.ext4;
    if (!found.inode.isDirectory) count(found.inode);
    // What fails here fails again when it is copied, and is reported then.
    else
      for (const { kind, at } of walk(fs, found.inode, { enter: () => true, failed() {} }))
        kind === "entry" && count(at.inode);
  }
  return total;
}

function parentOrSelf(path: HostPath): HostPath {
  const text = nameToString(path);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path;
  const slash = text.lastIndexOf("/");
  return slash < 0 ? Buffer.from(".") : path.subarray(0, Math.max(1, path.lastIndexOf(0x2f)));
}
