import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import { reasonOf } from "../command-line/reason.js";
import { findParties, isContainedServer } from "../mount/status/find.js";
import type { ProcessStatus } from "../mount/status/process.js";
import { missingWalls } from "../mount/status/verdict.js";
import { formatBytes } from "../output/format.js";
import { Output } from "../output/output.js";
import { printable } from "../output/printable.js";

export async function run(given: GivenArguments): Promise<number> {
  const mountpoint = given.positionals[0]!;
  const { findMount, resolveMountpoint } = await import("@bulkhead/fuse");
  const mount = findMount(path(mountpoint, resolveMountpoint));
  if (mount === undefined) throw new CommandError(`nothing is mounted at ${mountpoint}`);
  if (!/^fuse(?:blk)?(?:\.|$)/.test(mount.type)) {
    throw new CommandError(`what is mounted at ${mountpoint} is the kernel's own (${mount.type})`);
  }
  const parties = findParties(mount);
  if (parties === undefined) {
    throw new CommandError(
      `no server of ${mountpoint} is to be found: it has ended, or is another user's (root sees all); bulkhead umount clears dead mounts`,
    );
  }
  const { server, keeper } = parties;
  const missing = missingWalls(server);
  const output = new Output();
  if (given.flag("json")) {
    const { source, type } = mount;
    const answer = { mountpoint: mount.mountpoint, source, type, contained: missing.length === 0, missing, server };
    output.line(JSON.stringify({ ...answer, keeper: keeper ?? null }, undefined, 2));
  } else {
    const line = (label: string, value: string) => output.line(`${`${label}:`.padEnd(18)} ${printable(value)}`);
    line("Mount", `${mount.source} on ${mount.mountpoint} (${mount.type})`);
    line("Contained", missing.length === 0 ? "yes" : `no: ${missing.join("; ")}`);
    output.line();
    for (const [label, value] of describe("Server", server)) line(label, value);
    output.line();
    if (keeper === undefined) line("Keeper", isContainedServer(server.command) ? NO_KEEPER : "none");
    else for (const [label, value] of describe("Keeper", keeper)) line(label, value);
  }
  output.flush();
  return ExitCode.success;
}

function path(mountpoint: string, resolve: (path: string) => string): string {
  try {
    return resolve(mountpoint);
  } catch (error) {
    throw new CommandError(`${mountpoint}: ${reasonOf(error)}`);
  }
}

/** Of a contained server: another product's helper may have mounted it, or a user may not see the process. */
const NO_KEEPER =
  "none to be seen: it is gone, or has never stayed. The mount goes on, but when its server dies, no other one takes its place; to have a keeper again, unmount and mount";
const LIMITS = ["open files", "processes", "data size", "file size", "core file size"];
const UNSEEN = "not to be seen by this user";

function describe(role: string, status: ProcessStatus): [label: string, value: string][] {
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
