import type { MountOptions as EngineOptions } from "@bulkhead/ext4";
import { type MountOptions as KernelOptions, mountAndServe, type Served } from "@bulkhead/fuse";
import type { ServeData } from "./file-system.js";
import type { SourceOptions } from "./source.js";

/** KiB that the kernel reads ahead: the largest request that FUSE sends with its default limits. */
const READ_AHEAD_KIB = 1024;

export interface MountImageOptions {
  readonly source: SourceOptions;
  /** An existing directory. */
  readonly mountpoint: string;
  readonly engine?: EngineOptions;
  /** What the kernel is told of the mount. Read-only in any case. */
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
export function mountImage(options: MountImageOptions): Promise<Served> {
  // Where others come in, permissions count. A user who can read the image may read all that is in it.
  const checkPermissions =
    options.kernel?.defaultPermissions ?? (process.getuid?.() === 0 || options.kernel?.allowOther === true);
  const data: ServeData = {
    source: options.source,
    engine: options.engine ?? {},
    debug: options.debug ?? false,
    posixAcl: checkPermissions,
  };
  return mountAndServe({
    mountpoint: options.mountpoint,
    module: new URL("./file-system.js", import.meta.url),
    data,
    mount: {
      fsname: options.source.path,
      subtype: "bulkhead",
      ...options.kernel,
      defaultPermissions: checkPermissions,
      readOnly: true,
    },
    readAheadKb: READ_AHEAD_KIB,
    ...(options.log === undefined ? {} : { log: options.log }),
  });
}
