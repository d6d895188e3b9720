import { closeSync, writeSync } from "node:fs";
import { FuseConnectionError } from "@bulkhead/fuse/client";
import { openDescriptor, refuseWhileWritten } from "@bulkhead/server/descriptor";
import { checkMode, checkOwner, checkPosition } from "./arguments.js";
import { DirectIo } from "./data/direct-io.js";
import type { FileData } from "./data/file-data.js";
import { FuseData } from "./data/fuse-data.js";
import { ImageDevice } from "./data/image-device.js";
import { DEVICE_ID, IomapData } from "./data/iomap-data.js";
import { ImageOpenError } from "./errors.js";
import { Image, type Owner } from "./image.js";
import { startServer } from "./server/start.js";
import { ImageTree } from "./tree.js";

export interface ImageOptions {
  /** Default false: nothing of the image is changed, and others may read it, too. */
  readonly writable?: boolean;
  /** Byte at which the file system starts. Default 0. */
  readonly offset?: number;
  /** Number of the partition that it is in; not together with `offset`. */
  readonly partition?: number;
  /** Use the copy of the superblock at so many KiB; not together with `writable`. */
  readonly superblock?: number;
  /** Default true; false leaves the journal alone, and does not go with `writable`. */
  readonly loadJournal?: boolean;
  /** Whose limits are enforced for callers that are not root: mount's `usrquota`, `grpquota` and `prjquota`. Default nobody's. */
  readonly quota?: { readonly user?: boolean; readonly group?: boolean; readonly project?: boolean };
  /** Bytes of metadata that the server keeps in memory. Default 32 MiB, 64 MiB if it is writable. */
  readonly cacheBytes?: number;
  /** Whose new files are; default whoever runs this process. Root's, for images that systems boot from: `{ uid: 0, gid: 0 }`. */
  readonly owner?: Owner;
  /** Bits that new files' modes are shorn of; default this process's. */
  readonly umask?: number;
  /** Milliseconds that the server may take for one request; default two minutes, which opening has in any case. */
  readonly timeout?: number;
  /**
   * Whether file data goes between this process and the image itself (the default), where the server says, or through the
   * server.
   */
  readonly dataThrough?: "image" | "server";
  /**
   * Whether file data goes past the system's page cache (O_DIRECT): what is read, where memory, place and length are multiples of the disk's
   * sectors (`alignedBuffer` makes such memory); what is written in whole blocks, where those are no smaller than pages. For who moves much,
   * or has a cache. Default false.
   */
  readonly direct?: boolean;
  /** Where the server's warnings and errors go, a line each: standard error (the default), nowhere, or a descriptor. */
  readonly log?: "inherit" | "ignore" | number;
}

const DEFAULT_TIMEOUT = 120_000;

/**
 * Opens the file system in an image or on a device, without a mount and without privileges: starts a server in a process of
 * its own that gets the open image, and talks FUSE to it. This process parses nothing of the file system.
 *
 * Calls block, like those of node:fs that end in Sync; `close()` when done, or nothing is certain to be on the image.
 *
 * @throws ImageOpenError; SourceError when the image cannot be opened for what is asked
 */
export function openImage(path: string, options: ImageOptions = {}): Image {
  const { writable = false, offset, partition, superblock, loadJournal, cacheBytes, quota } = options;
  const { timeout = DEFAULT_TIMEOUT, log = "inherit", umask = process.umask() } = options;
  if (process.platform !== "linux") throw new ImageOpenError(`${path}: images can be opened on Linux alone`);
  const { dataThrough = "image", owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 } } = options;
  checkOwner(owner);
  checkMode(umask);
  if (offset !== undefined) checkPosition("an offset", offset);
  if (!writable) refuseWhileWritten(path);
  const descriptor = openDescriptor(path, writable);
  let isOurs = false;
  try {
    const { client, pid, start, length, leave } = startServer({
      image: descriptor,
      timeout,
      log,
      request: {
        path,
        ...(offset === undefined ? {} : { offset }),
        ...(partition === undefined ? {} : { partition }),
        ...(dataThrough === "image" ? { device: DEVICE_ID } : {}),
        engine: {
          writable,
          ...(superblock === undefined ? {} : { superblock }),
          ...(loadJournal === undefined ? {} : { loadJournal }),
          ...(cacheBytes === undefined ? {} : { cacheBytes }),
          ...(quota === undefined ? {} : { quota }),
        },
      },
    });
    try {
      let data: FileData = new FuseData(client);
      if (client.has("IOMAP")) {
        const direct = options.direct === true ? directIo(descriptor, writable, path, log) : undefined;
        const device = new ImageDevice({ fd: descriptor, start, size: length, readOnly: !writable, direct });
        const iomap = new IomapData(client, device, descriptor, (error) => report(path, log, error));
        if (direct !== undefined) direct.blockSize = iomap.connection.configuration.blockSize;
        data = iomap;
        isOurs = true;
      }
      const tree = new ImageTree(client, data);
      return new Image({ path, tree, writable, owner, umask, serverPid: pid, leave });
    } catch (error) {
      client.close();
      leave();
      isOurs = false;
      throw error;
    }
  } finally {
    if (!isOurs) closeSync(descriptor);
  }
}

/** Undefined, and told, where it is not possible: not all file systems can. */
function directIo(
  fd: number,
  writable: boolean,
  path: string,
  log: "inherit" | "ignore" | number,
): DirectIo | undefined {
  try {
    return new DirectIo(fd, writable);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    report(path, log, `file data goes through the system's page cache: ${why}`);
    return undefined;
  }
}

/** One line where the server's go. A lost server is reported by the call that loses it. */
function report(path: string, log: "inherit" | "ignore" | number, error: unknown): void {
  if (log === "ignore" || error instanceof FuseConnectionError) return;
  const message = error instanceof Error ? error.message : String(error);
  const isFull = error instanceof Error && "code" in error && error.code === "ENOSPC";
  const more = isFull ? ": what the image lies on is full, not the file system in it" : "";
  writeSync(log === "inherit" ? 2 : log, `bulkhead: ${path}: error: ${message}${more}\n`);
}
