/** What runs in the serving thread: the module that `mountAndServe` is given. */
import * as fs from "node:fs";
import { type Environment, FileSystem, type MountOptions, systemEnvironment } from "@bulkhead/ext4";
import type { CreateFileSystem } from "@bulkhead/fuse";
import { readahead } from "@bulkhead/linux";
import { Ext4Server } from "./server.js";
import { openSource, type SourceOptions } from "./source.js";

/** What the serving thread is told; plain data. */
export interface ServeData {
  readonly source: SourceOptions;
  readonly engine: MountOptions;
  /** A line per request. */
  readonly debug: boolean;
  /** Let the kernel evaluate ACLs, which makes it check all permissions. */
  readonly posixAcl: boolean;
}

const create: CreateFileSystem<ServeData> = ({ source, engine, debug, posixAcl }, { log, timers }) => {
  const device = openSource(source, { ...fs, readahead });
  const environment: Environment = {
    ...systemEnvironment,
    log(level, message) {
      if (debug || level !== "debug") log(`${source.path}: ${level}: ${message}`);
    },
  };
  let filesystem: FileSystem;
  try {
    // A timer's exception ends the serving thread, and the mount with it: what a kernel's panic is to its machine.
    const onPanic = () =>
      timers.after(0, () => {
        throw new Error(`${source.path}: the file system is corrupt and was mounted with errors=panic`);
      });
    filesystem = FileSystem.mount(device, { ...engine, onPanic }, environment);
  } catch (error) {
    device.close();
    throw error;
  }
  const server = new Ext4Server(filesystem);
  const session = server.sessionOptions(posixAcl, (message, error) => {
    // Only what should not happen comes here: where in the program it did is what a report of it needs.
    const where = error instanceof Error ? `: ${error.stack?.split("\n", 3).join(";") ?? error.message}` : "";
    log(`${source.path}: ${message}${where}`);
  });
  return {
    handlers: server.handlers(),
    session: debug
      ? {
          ...session,
          trace: ({ name, nodeid, pid, result, length }) => {
            log(`${name} node ${nodeid} pid ${pid}: ${result < 0 ? `error ${-result}` : `${length} bytes`}`);
          },
        }
      : session,
    close() {
      filesystem.close();
      device.close();
    },
  };
};

export default create;
