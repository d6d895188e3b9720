/** Serves the passthrough fixture in a process of its own, and makes BACKING ioctls on its connection as told over IPC. */
import { closeSync, openSync } from "node:fs";
import { actAs, Capability, ioctl, LinuxError, open } from "@bulkhead/linux";
import {
  closeBacking,
  DeviceIoctl,
  FuseBackingMap,
  type InitFlagName,
  mountAndServe,
  openBacking,
  openDevice,
} from "../../src/index.js";
import { Cell, type PassthroughData } from "./passthrough-filesystem.js";

export type Command =
  | { readonly do: "set"; readonly cell: number; readonly value: number }
  | { readonly do: "get"; readonly cell: number }
  /** BACKING_OPEN of the file at `path`, opened with `flags`; the id. */
  | { readonly do: "open"; readonly path: string; readonly flags: number; readonly powerless?: boolean }
  /** BACKING_OPEN with these bits. */
  | { readonly do: "map"; readonly fd: number; readonly flags: number; readonly padding: number }
  | { readonly do: "close"; readonly id: number; readonly powerless?: boolean }
  /** BACKING_OPEN on a device that no mount has. */
  | { readonly do: "unattached"; readonly path: string };

export interface Answer {
  /** An id, a cell's value, or −errno. */
  readonly result: number;
  /** What the library said where it threw. */
  readonly message?: string;
}

const [mountpoint = "", directory = "", depth = "1", ...want] = process.argv.slice(2);
const buffer = new SharedArrayBuffer(4 * Cell.COUNT);
const state = new Int32Array(buffer);
const data: PassthroughData = { state: buffer, directory, maxStackDepth: Number(depth), want: want as InitFlagName[] };

const served = await mountAndServe({
  mountpoint,
  module: new URL("./passthrough-filesystem.js", import.meta.url),
  data,
  mount: { subtype: "passthrough-fixture", allowOther: true },
  graceMs: 500,
});

/** As root without CAP_SYS_ADMIN, where `powerless`. */
function as<T>(powerless: boolean | undefined, work: () => T): T {
  return powerless ? actAs({ uid: 0, gid: 0, without: [Capability.SYS_ADMIN] }, work) : work();
}

function perform(command: Command): number {
  const device = served.mounted.fd;
  switch (command.do) {
    case "set":
      return Atomics.store(state, command.cell, command.value);
    case "get":
      return Atomics.load(state, command.cell);
    case "open": {
      const fd = open(command.path, command.flags);
      try {
        return as(command.powerless, () => openBacking(device, fd));
      } finally {
        closeSync(fd);
      }
    }
    case "map": {
      const map = new Uint8Array(FuseBackingMap.size);
      const view = FuseBackingMap.view(new DataView(map.buffer), 0);
      Object.assign(view, { fd: command.fd, flags: command.flags, padding: command.padding });
      return ioctl(device, DeviceIoctl.BACKING_OPEN, map);
    }
    case "close":
      as(command.powerless, () => closeBacking(device, command.id));
      return 0;
    case "unattached": {
      const [file, fresh] = [openSync(command.path, "r"), openDevice()];
      try {
        return openBacking(fresh, file);
      } finally {
        closeSync(file);
        closeSync(fresh);
      }
    }
  }
}

function answer(command: Command): Answer {
  try {
    return { result: perform(command) };
  } catch (error) {
    if (error instanceof LinuxError) return { result: -error.errno, message: error.message };
    throw error;
  }
}

process.on("message", (command: Command) => process.send?.(answer(command)));
const orphaned = () => void served.unmount();
process.once("disconnect", orphaned);
process.send?.({ result: 0 });
await served.finished;
process.off("disconnect", orphaned);
if (process.connected) process.disconnect();
