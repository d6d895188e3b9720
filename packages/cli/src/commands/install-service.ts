import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { serverEnvironment, serverNodeOptions, serverProgram } from "@bulkhead/server/contained";
import {
  type Installation,
  packageOf,
  plainPath,
  programFiles,
  renderUnit,
  SERVICE_UNIT,
  SOCKET_UNIT,
  serviceUnit,
  socketUnit,
} from "@bulkhead/service/units";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import { mountHelpers } from "../mount-helper/declaration.js";
import { print } from "../output/output.js";
import { asInstalled, type Layout, layoutBelow } from "./install-service/layout.js";
import { HEADING, removeOwned, writeOwned } from "./install-service/owned-files.js";

export function run(given: GivenArguments): number {
  const { DESTDIR = "" } = process.env;
  const root = given.value("root") ?? DESTDIR;
  const layout = layoutBelow(root === "" || resolve(root) === "/" ? "" : resolve(root));
  if (layout.root === "" && process.getuid?.() !== 0) throw new CommandError("this takes root");
  return given.flag("remove") ? remove(layout) : install(layout, given);
}

function install(layout: Layout, given: GivenArguments): number {
  const installation = installationOf(layout, given);
  const bin = plainPath(asInstalled(join(packageOf(fileURLToPath(import.meta.url)), "bin"), layout.root));
  const units = [socketUnit(installation), serviceUnit(installation)].map((unit) => ({
    path: join(layout.units, unit.name),
    text: renderUnit(unit, HEADING),
    mode: 0o644,
  }));
  // Not links to the program: what runs mount(8) may have no PATH on which env finds this Node, nor know where the sockets are.
  const { node, socketDirectory } = installation;
  const where =
    socketDirectory === undefined
      ? ""
      : `: "\${BULKHEAD_SOCKET_DIRECTORY=${socketDirectory}}"\nexport BULKHEAD_SOCKET_DIRECTORY\n`;
  const helpers = mountHelpers.map(({ name }) => ({
    path: join(layout.helpers, name),
    text: `#!/bin/sh\n# ${HEADING}\n${where}exec ${node} ${bin}/${name}.js "$@"\n`,
    mode: 0o755,
  }));
  const files = [...units, ...helpers];
  writeOwned(files);
  const starts = layout.root === "" && systemdRuns();
  // What is printed comes last: whether somebody reads it decides nothing.
  try {
    if (starts) {
      systemctl("daemon-reload");
      systemctl("enable", SOCKET_UNIT);
      systemctl("restart", SOCKET_UNIT);
    }
  } finally {
    print(files.map(({ path }) => `${path}\n`).join(""));
  }
  if (layout.root === "" && !starts)
    print(`systemd does not run here; where it does: systemctl enable --now ${SOCKET_UNIT}\n`);
  return ExitCode.success;
}

function installationOf({ root }: Layout, given: GivenArguments): Installation {
  const node = resolve(given.value("node") ?? process.execPath);
  if (!existsSync(node)) throw new CommandError(`there is no ${node}, which is to run the servers`);
  const program = serverProgram();
  const { visible, executable } = programFiles(program, node);
  if (root === "") for (const { source } of visible) checkOwner(source);
  const group = given.value("group");
  if (group !== undefined && !/^[a-z_][a-z0-9_-]*$/.test(group))
    throw new CommandError(`${group} is no name of a group`);
  const socketDirectory = given.value("socket-directory");
  return {
    node: asInstalled(node, root),
    program: asInstalled(program, root),
    files: {
      visible: visible.map(({ source, target }) => ({
        source: asInstalled(source, root),
        target: asInstalled(target, root),
      })),
      executable: executable.map((path) => asInstalled(path, root)),
    },
    nodeOptions: serverNodeOptions,
    environment: serverEnvironment,
    paranoid: given.flag("paranoid"),
    ...(socketDirectory === undefined ? {} : { socketDirectory: resolve(socketDirectory) }),
    ...(group === undefined ? {} : { group }),
  };
}

/** What root runs, nobody else may be able to change, nor to put something else in its place. */
function checkOwner(path: string): void {
  for (let at = path; ; at = dirname(at)) {
    const { uid, gid, mode } = statSync(at);
    const STICKY = 0o1000;
    const others = gid === 0 ? 0o002 : 0o022;
    if (uid !== 0 || ((mode & others) !== 0 && (mode & STICKY) === 0)) {
      throw new CommandError(
        `${at} is not root's alone, and root is to run what is in it: install the package as root (npm install --global), or chown it`,
      );
    }
    if (at === "/") return;
  }
}

function remove(layout: Layout): number {
  const runs = layout.root === "" && systemdRuns();
  const units = [SOCKET_UNIT, SERVICE_UNIT].map((name) => join(layout.units, name));
  if (runs && units.some((path) => existsSync(path))) systemctl("disable", "--now", SOCKET_UNIT);
  const helpers = mountHelpers.map(({ name }) => join(layout.helpers, name));
  const gone = [...units, ...helpers].filter(removeOwned);
  if (gone.length === 0) throw new CommandError("there is nothing to remove");
  if (runs) systemctl("daemon-reload");
  print(gone.map((path) => `removed ${path}\n`).join(""));
  return ExitCode.success;
}

/** As sd_booted(3). */
function systemdRuns(): boolean {
  return existsSync("/run/systemd/system");
}

function systemctl(...args: readonly string[]): void {
  const { status, error } = spawnSync("systemctl", args, { stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new CommandError(`systemctl ${args.join(" ")}: ${error?.message ?? `exit code ${status}`}`);
}
