import { Copier, type SourceNode, walk } from "@bulkhead/image/copy";
import type { GivenArguments } from "../command-line/declaration.js";
import { report } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import { Problems } from "../command-line/problems.js";
import { type Errand, plan } from "../copy/plan.js";
import { parsePreserve } from "../copy/preserve.js";
import { noProgress, openProgress, type Progress } from "../copy/progress.js";
import { Output } from "../output/output.js";
import { printableName } from "../output/printable.js";
import { sourceSettings } from "../source/open-disk.js";
import { Session } from "../source/session.js";

/** Leave no part of a file behind. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export async function run(given: GivenArguments): Promise<number> {
  const preserve = parsePreserve(given.values("no-preserve"));
  const umask = process.umask(0);
  const session = new Session(sourceSettings(given));
  const problems = new Problems("cp");
  const abort = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => abort.abort(signal);
  const warned = new Set<string>();
  let progress: Progress = noProgress;
  const attributes = {
    preserve,
    umask,
    warn(kind: string, message: string) {
      if (warned.has(kind)) return;
      warned.add(kind);
      progress.interrupt(() => report("cp", `warning: ${message}`));
    },
  };
  try {
    const sources = given.positionals.slice(0, -1);
    const destination = given.positionals.at(-1)!;
    const options = { recursive: given.flag("recursive"), attributes };
    const errands = await plan(sources, destination, session, problems, options);
    if (process.stderr.isTTY === true && !given.flag("quiet")) progress = await openProgress(totalBytes(errands));
    for (const signal of ENDING) process.once(signal, onSignal);
    const output = new Output();
    const copier = new Copier({
      keepLinks: preserve.links,
      noClobber: given.flag("no-clobber"),
      signal: abort.signal,
      begins: (name) => progress.file(name),
      copied: (bytes) => progress.add(bytes),
      done(path) {
        if (!given.flag("verbose")) return;
        output.name(path);
        output.line();
        output.flush();
      },
      failed: (path, error) => progress.interrupt(() => problems.add(printableName(path), error)),
    });
    for (const { source, name, place, isDestination } of errands) {
      if (source.stats.kind === "directory") await copier.copyTree(source, place, isDestination);
      else await copier.copyFile(source, place, name);
    }
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    progress.stop();
    report("cp", "interrupted; what was copied until then is complete, the rest is missing");
    return abort.signal.reason === "SIGINT" ? ExitCode.interrupted : ExitCode.terminated;
  } finally {
    progress.stop();
    process.umask(umask);
    session.close();
    for (const signal of ENDING) process.off(signal, onSignal);
  }
  if (problems.count > 1) report("cp", `${problems.count} problems; the rest was copied`);
  return problems.exitCode;
}

/** Bytes of contents to copy, for the progress bar. */
function totalBytes(errands: readonly Errand[]): number {
  let total = 0;
  const linked = new Set<string>();
  const count = ({ key, stats: { kind, links, size, blocks } }: SourceNode) => {
    if (kind !== "file" || linked.has(key)) return;
    if (links > 1) linked.add(key);
    total += Math.min(size, blocks * 512);
  };
  for (const { source } of errands) {
    if (source.stats.kind !== "directory") count(source);
    // What fails here fails again when it is copied, and is reported then.
    else
      for (const { kind, at } of walk(source, { enter: () => true, failed() {} })) kind === "entry" && count(at.node);
  }
  return total;
}
