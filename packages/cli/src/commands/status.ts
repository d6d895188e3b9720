import type { MountInfo } from "@bulkhead/fuse";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import { reasonOf } from "../command-line/reason.js";
import { findParties, isContainedServer } from "../mount/status/find.js";
import type { ProcessStatus } from "../mount/status/process.js";
import { missingWalls, unseenWalls } from "../mount/status/verdict.js";
import { formatBytes } from "../output/format.js";
import { Output } from "../output/output.js";
import { json, printable } from "../output/printable.js";

export async function run(given: GivenArguments): Promise<number> {
  const [mountpoint] = given.positionals;
  const asJson = given.flag("json");
  const output = new Output();
  if (mountpoint === undefined) {
    const { listMounts } = await import("@bulkhead/fuse");
    const mounts = listMounts().filter(({ type }) => OURS.test(type));
    if (asJson) output.line(json(mounts.map(answerFor), 2));
    else for (const mount of mounts) output.line(summaryOf(answerFor(mount)));
  } else {
    const answer = answerFor(await mountAt(mountpoint));
    if (answer.server === null) {
      throw new CommandError(
        `no server of ${mountpoint} is to be found: it has ended, or is another user's (root sees all); bulkhead umount clears dead mounts`,
      );
    }
    if (asJson) output.line(json(answer, 2));
    else for (const line of describe(answer, answer.server)) output.line(line);
  }
  output.flush();
  return ExitCode.success;
}

/** What is said of a mount: for programs, as it is here. */
interface Answer {
  readonly mountpoint: string;
  readonly source: string;
  readonly type: string;
  readonly contained: boolean;
  readonly missing: readonly string[];
  /** What of it this user cannot see: `contained` does not speak of that. */
  readonly unseen: readonly string[];
  readonly server: ProcessStatus | null;
  readonly keeper: ProcessStatus | null;
}

async function mountAt(mountpoint: string): Promise<MountInfo> {
  const { findMount, isFuse, resolveMountpoint } = await import("@bulkhead/fuse");
  const mount = findMount(path(mountpoint, resolveMountpoint));
  if (mount === undefined) throw new CommandError(`nothing is mounted at ${mountpoint}`);
  if (!isFuse(mount)) {
    throw new CommandError(`what is mounted at ${mountpoint} is the kernel's own (${mount.type})`);
  }
  return mount;
}

function answerFor(mount: MountInfo): Answer {
  const parties = findParties(mount);
  const missing = parties === undefined ? [] : missingWalls(parties.server);
  const { mountpoint, source, type } = mount;
  const contained = parties !== undefined && missing.length === 0;
  return {
    mountpoint,
    source,
    type,
    contained,
    missing,
    unseen: parties === undefined ? [] : unseenWalls(parties.server),
    server: parties?.server ?? null,
    keeper: parties?.keeper ?? null,
  };
}

/** One line for one of many mounts. */
function summaryOf({ mountpoint, source, contained, server }: Answer): string {
  const how =
    server === null
      ? "no server to be seen"
      : `${contained ? "contained" : "not contained"}, process ${server.pid}, user ${server.uid}, ${formatBytes(server.resident)}`;
  return printable(`${source} on ${mountpoint}: ${how}`);
}

function describe(answer: Answer, server: ProcessStatus): string[] {
  const { mountpoint, source, type, contained, missing, unseen, keeper } = answer;
  const yes = unseen.length === 0 ? "yes" : `yes, as far as this user sees (root also sees its ${unseen.join(", ")})`;
  const line = ([label, value]: [string, string]) => `${`${label}:`.padEnd(18)} ${printable(value)}`;
  return [
    line(["Mount", `${source} on ${mountpoint} (${type})`]),
    line(["Contained", contained ? yes : `no: ${missing.join("; ")}`]),
    "",
    ...describeProcess("Server", server).map(line),
    "",
    ...(keeper === null
      ? [line(["Keeper", isContainedServer(server.command) ? NO_KEEPER : "none"])]
      : describeProcess("Keeper", keeper).map(line)),
  ];
}

function path(mountpoint: string, resolve: (path: string) => string): string {
  try {
    return resolve(mountpoint);
  } catch (error) {
    throw new CommandError(`${mountpoint}: ${reasonOf(error)}`);
  }
}

/** Types of mounts that are Bulkhead's, and not another FUSE server's. */
const OURS = /^fuse(?:blk)?\.bulkhead$/;
/** Of a contained server: another product's helper may have mounted it, or a user may not see the process. */
const NO_KEEPER =
  "none to be seen: it is gone, or has never stayed. The mount goes on, but when its server dies, no other one takes its place; to have a keeper again, unmount and mount";
const LIMITS = ["open files", "processes", "data size", "file size", "core file size"];
const UNSEEN = "not to be seen by this user";

function describeProcess(role: string, status: ProcessStatus): [label: string, value: string][] {
  const { pid, uid, gid, threads, resident, capabilities, ownNamespaces, limits, descriptors } = status;
  const { Eff, Bnd } = capabilities;
  const limit = (name: string) => `${limits?.[name] ?? "?"} ${name}`;
  return [
    [role, `process ${pid}, user ${uid}, group ${gid}, ${threads} threads, ${formatBytes(resident)}`],
    ["Command", status.command.join(" ")],
    ["No new privileges", status.noNewPrivileges ? "yes, in all threads" : "no"],
    ["System calls", status.seccompFilters > 0 ? "filtered, in all threads" : "all"],
    ["Capabilities", Eff === "0" ? "none" : `0x${Eff}`],
    ["To be had", Bnd === "0" ? "none" : `0x${Bnd}`],
    ["Own namespaces", ownNamespaces === undefined ? UNSEEN : ownNamespaces.join(", ") || "none"],
    ["Root directory", status.root ?? UNSEEN],
    ["Limits", limits === undefined ? UNSEEN : LIMITS.map(limit).join(", ")],
    ["Descriptors", descriptors === undefined ? UNSEEN : summary(descriptors)],
  ];
}

function summary(descriptors: Readonly<Record<string, string>>): string {
  return Object.entries(descriptors)
    .map(([fd, what]) => `${fd} ${what}`)
    .join(", ");
}
