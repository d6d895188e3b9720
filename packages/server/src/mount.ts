import { statSync } from "node:fs";
import type { MountOptions as EngineOptions } from "@bulkhead/ext4";
import { isOnDevice, type MountOptions as KernelOptions, mountAndServe, type Served } from "@bulkhead/fuse";
import { type Access, isWritable, mountsAsDevice, SourceClaim, type SourceOptions } from "./descriptor.js";
import type { ServeData } from "./file-system.js";
import { KERNEL_CACHE } from "./kernel-cache.js";
import { atomicWriteSizes, type IomapChoice, usesIomap } from "./kernel-iomap.js";
import { heapLimits } from "./node-options.js";
import { checksPermissions } from "./options/apply.js";
import type { ServerOptions } from "./server-options.js";

/** The root directory's inode, by which a kernel with iomap knows it. */
const ROOT_INODE = 2;

export interface MountImageOptions {
  readonly source: SourceOptions;
  /** The device or file of a journal that is not in the file system. */
  readonly journal?: SourceOptions;
  /** An existing directory. */
  readonly mountpoint: string;
  /** Read-only or not is `access`'s business; what cannot go to another thread is left out. */
  readonly engine?: Omit<EngineOptions, "writable" | "journalDevice" | "onPanic" | "wait">;
  /**
   * `read-write` fails when the source is write-protected; `read-write if possible`, the default, is then read-only, with a
   * line in the log.
   */
  readonly access?: Access;
  readonly serving?: Omit<ServerOptions, "onChange" | "expire" | "after" | "iomap">;
  /** Tell the device which blocks are free, when the mount ends. Default: what the superblock says. */
  readonly discard?: boolean | undefined;
  /** Whether the kernel does the file I/O itself (fuse-iomap). Default: where it can. */
  readonly iomap?: IomapChoice;
  /** Whether the kernel then caches where files lie. Default true. */
  readonly cacheMappings?: boolean;
  /** What the kernel is told of the mount; whether it is read-only follows from `access`. */
  readonly kernel?: KernelOptions;
  /** Log a line per request. Default false. */
  readonly debug?: boolean;
  /** Where lines for the operator go. Default standard error. */
  readonly log?: (message: string) => void;
}

/**
 * Mounts an ext4 image and serves it from a thread of this process. Resolves when the mount answers. Nothing in this process may
 * touch the mount synchronously from the serving thread; other threads and processes may.
 *
 * The image is opened and checked before anything is mounted.
 *
 * @throws SourceError, CorruptionError, UnsupportedFeatureError as plain errors with the same message; LinuxError from mounting
 */
export async function mountImage(options: MountImageOptions): Promise<Served> {
  const log = options.log ?? ((message) => process.stderr.write(`${message}\n`));
  const writable = isWritable(options.source, options.access, log);
  const { iomap: choice = "default", kernel = {} } = options;
  const iomap = usesIomap(
    { iomap: choice, strictAtime: kernel.strictAtime === true, lazyTime: kernel.lazyTime === true },
    { source: options.source, data: options.engine?.data },
  );
  const checkPermissions = checksPermissions({ defaultPermissions: false, allowOther: false, ...kernel });
  const claim = mountsAsDevice(options.source, writable) ? new SourceClaim(options.source.path) : undefined;
  const data: ServeData = {
    source: options.source,
    claimed: claim !== undefined,
    journal: options.journal,
    engine: { mountPoint: Buffer.from(options.mountpoint).toString("latin1"), ...options.engine, writable },
    serving: options.serving ?? {},
    discard: options.discard,
    debug: options.debug ?? false,
    posixAcl: checkPermissions,
    ...(iomap
      ? {
          iomap: {
            required: options.iomap === "required",
            cacheMappings: options.cacheMappings ?? true,
            claim: claim?.descriptor,
            atomicWrites: atomicWriteSizes(statSync(options.source.path).rdev),
          },
        }
      : {}),
  };
  let served: Served;
  try {
    served = await mountAndServe({
      mountpoint: options.mountpoint,
      module: new URL("./file-system.js", import.meta.url),
      data,
      mount: {
        fsname: options.source.path,
        subtype: "bulkhead",
        ...options.kernel,
        defaultPermissions: checkPermissions,
        readOnly: !writable,
        // A kernel that does the file I/O waits for DESTROY anyway, and its server keeps the device to itself.
        ...(claim === undefined || iomap ? {} : { device: claim }),
        ...(iomap ? { rootNode: ROOT_INODE } : {}),
      },
      ...KERNEL_CACHE,
      resourceLimits: heapLimits,
      log,
    });
  } catch (error) {
    claim?.release();
    throw error;
  }
  if (claim !== undefined) {
    const release = () => claim.release();
    served.finished.then(release, release);
    if (!iomap && !isOnDevice(served.mounted.info)) {
      log(
        `${claim.path}: the kernel does not mount it as a block device: sync and umount do not wait until all is on it`,
      );
    }
  }
  return served;
}
