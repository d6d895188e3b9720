import { close, Errno, LinuxError, MountFlag } from "@bulkhead/linux";
import { FsopenFlag, IomapMode, MountPointFormat } from "../protocol/index.js";
import { parseCommand, type ServiceCommand } from "./command.js";
import type { ServiceConnection } from "./connection.js";
import { requestSource, type ServiceSource, type SourceRequest } from "./source.js";

/** What a file system says of itself once it is open. */
export interface OpenedFileSystem<F> {
  readonly fileSystem: F;
  /** It turned out that it cannot be written to. */
  readonly readOnly?: boolean;
  /** Options for the kernel beyond those of the caller, such as `default_permissions`. */
  readonly fuseOptions?: readonly string[];
}

/** What `open` has to work with. */
export interface OpeningContext {
  readonly command: ServiceCommand;
  /** Undefined for file systems without one. The file system's, also when `open` fails. */
  readonly source: ServiceSource | undefined;
  /** To ask for more files (a journal's device). */
  readonly connection: ServiceConnection;
}

export interface ServiceMountOptions<F> {
  /** The server's own arguments; default those of this process. */
  readonly own?: readonly string[];
  readonly source?: Omit<SourceRequest, "tryLoop">;
  /**
   * Let the kernel do the I/O. `optional`: where it can; `mandatory` asks for a loop device if the source is a file. Only with a
   * helper that understands it; `mandatory` fails with others (EOPNOTSUPP). Default `off`.
   */
  readonly iomap?: "off" | "optional" | "mandatory";
  /** `MountFlag` bits that the file system honours itself, and that the kernel is not told of. */
  readonly ownFlags?: number;
  /** Told why nothing was mounted, before the helper is; gives what that is to exit with. Default 1. */
  failed?(error: unknown): number;
  /** What the mount point has to be; default a directory. A `MountPointFormat`. */
  readonly expectedFormat?: number;
  /** Opens the file system, before anything is mounted: what it throws is the end, and nothing was mounted. */
  open(context: OpeningContext): OpenedFileSystem<F> | Promise<OpenedFileSystem<F>>;
  /** Closes a file system whose mount failed. */
  abandon?(fileSystem: F): void;
}

/** A file system that the helper has mounted; the helper is gone. */
export interface ServiceMount<F> {
  /** The attached FUSE device, to be served and closed. The first request is INIT. */
  readonly fuse: number;
  readonly fileSystem: F;
  readonly command: ServiceCommand;
}

/**
 * Takes a connection from handshake to mount: asks for the source, has the file system opened, mounts it, says goodbye. On
 * failure the helper is told so (exit code 1), everything is closed, and nothing is mounted.
 *
 * @throws {LinuxError} with what the helper refused; what `open` threw
 */
export async function mountAsService<F>(
  connection: ServiceConnection,
  options: ServiceMountOptions<F>,
): Promise<ServiceMount<F>> {
  let opened: OpenedFileSystem<F> | undefined;
  let claim: number | undefined;
  /** Not the file system's yet. */
  let unclaimed: ServiceSource | undefined;
  try {
    const command = parseCommand(connection.arguments, options.own ?? process.argv.slice(2));
    if (command.fuseOptions.includes("allow_other") && !connection.callerMay.allowOther) {
      const how = `only for root, or where /etc/fuse.conf has the line user_allow_other`;
      throw new LinuxError("mount", Errno.EPERM, `allow_other: ${how}`);
    }
    const iomap = options.iomap ?? "off";
    if (iomap === "mandatory" && !command.extensions) {
      throw new LinuxError("mount", Errno.EOPNOTSUPP, "iomap: the mount helper does not offer it");
    }
    const wantsIomap = iomap !== "off" && command.extensions;
    const access = (command.msFlags & MountFlag.RDONLY) !== 0 ? "read-only" : options.source?.access;
    const request: SourceRequest = {
      ...options.source,
      ...(access === undefined ? {} : { access }),
      // Not for a wish alone: it is one more thing that everybody sees, with a page cache of its own.
      tryLoop: iomap === "mandatory",
    };
    let source: ServiceSource | undefined;
    if (command.source !== undefined) {
      source = await requestSource(connection, command.source, request);
      if (command.blockMount) {
        // The kernel takes the claim over: it must be free when it mounts, but nobody else's until then.
        claim = source.fd;
        source = await requestSource(connection, command.source, { ...request, exclusive: false });
      }
      unclaimed = source;
    }
    if (wantsIomap) connection.configureIomap(iomap === "mandatory" ? IomapMode.MANDATORY : IomapMode.OPTIONAL);
    unclaimed = undefined;
    opened = await options.open({ command, source, connection });
    connection.finishFileRequests();
    if (claim !== undefined) close(claim);
    claim = undefined;
    const readOnly = source?.readOnly === true || opened.readOnly === true;
    const msFlags = (readOnly ? command.msFlags | MountFlag.RDONLY : command.msFlags) & ~(options.ownFlags ?? 0);
    requestMount(connection, command, msFlags, opened.fuseOptions ?? [], options.expectedFormat);
    const fuse = connection.takeFuse();
    farewell(connection, 0);
    return { fuse, fileSystem: opened.fileSystem, command };
  } catch (error) {
    if (claim !== undefined) close(claim);
    if (unclaimed !== undefined) close(unclaimed.fd);
    try {
      if (opened !== undefined) options.abandon?.(opened.fileSystem);
    } finally {
      farewell(connection, options.failed?.(error) ?? 1);
      connection.close();
    }
    throw error;
  }
}

/** Of a block device that the kernel mounts: a page, as with other FUSE mounts. With less, some kernels (6.17) lose writes. */
const DEVICE_BLOCK_SIZE = 4096;

function requestMount(
  connection: ServiceConnection,
  command: ServiceCommand,
  msFlags: number,
  more: readonly string[],
  expectedFormat: number = MountPointFormat.DIRECTORY,
): void {
  const encoder = new TextEncoder();
  const { blockMount, fsname, source, subtype, fuseOptions, tableOptions } = command;
  // This order is a rule: what comes before FSOPEN is lost with some helpers.
  connection.fsopen(blockMount ? FsopenFlag.FUSEBLK : 0);
  const shown = fsname === undefined ? source : encoder.encode(fsname);
  connection.source(blockMount && source !== undefined ? source : (shown ?? encoder.encode(subtype)));
  connection.mountPoint(command.mountPoint, expectedFormat);
  const sized = fuseOptions.some((option) => option.startsWith("blksize="));
  const device = blockMount && !sized ? [`blksize=${DEVICE_BLOCK_SIZE}`] : [];
  const kernel = [...new Set([...fuseOptions, ...more, ...device])].join(",");
  if (kernel !== "") connection.options(encoder.encode(kernel));
  if (tableOptions.length > 0) connection.tableOptions(encoder.encode(tableOptions.join(",")));
  connection.mount(msFlags);
}

/** Whoever is gone already needs no goodbye. After the mount, the helper's absence changes nothing for the server. */
function farewell(connection: ServiceConnection, code: number): void {
  try {
    connection.goodbye(code);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
  }
}
