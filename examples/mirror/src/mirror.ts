/**
 * The file system: a source directory, shown again. Loaded in the serving thread by `mountAndServe`.
 *
 * The kernel is told where a file's data is when the file is opened; reads, writes and mappings then go to the source without
 * coming by here. Names and attributes do come by, and each is answered from the source as it is now.
 */
import {
  BackingFiles,
  closeBacking,
  type FileSystem,
  type InitFlagName,
  OpenModes,
  openBacking,
  type Services,
} from "@bulkhead/fuse";
import { attributeHandlers } from "./attributes.js";
import { directoryHandlers } from "./directories.js";
import { fileHandlers } from "./files.js";
import { Inodes } from "./inodes.js";
import { nameHandlers } from "./names.js";
import { Pruning, roomForInodes } from "./room.js";
import { withoutSetIdPower } from "./set-id.js";
import { Handles, type MirrorState } from "./state.js";

export interface MirrorOptions {
  readonly source: string;
  /** Let the kernel do the file I/O where it can. */
  readonly passthrough: boolean;
  /** 1: the source is on a file system of its own. 2: it may be on an overlay, or another mirror. */
  readonly maxStackDepth: number;
  /** Seconds for which the kernel may remember names and attributes: how late it sees what changes in the source. */
  readonly valid: number;
}

const WANTED: readonly InitFlagName[] = ["DO_READDIRPLUS", "READDIRPLUS_AUTO", "HANDLE_KILLPRIV_V2"];

/**
 * The kernel writes to a backing file with the credentials of who registered it. Root's would let set-id bits survive what
 * users write, so the power to keep them is left out.
 */
const BACKING = {
  open: (device: number, file: number) => withoutSetIdPower(() => openBacking(device, file)),
  close: closeBacking,
};

export default function mirror(options: MirrorOptions, services: Services): FileSystem {
  const inodes = new Inodes(options.source);
  const pruning = new Pruning(inodes, services, roomForInodes());
  inodes.onAdded = () => pruning.check();
  const state: MirrorState = {
    inodes,
    files: new Handles(),
    directories: new Handles(),
    modes: new OpenModes(new BackingFiles(() => services.transport().fd, BACKING), services.log),
    pruning,
    valid: options.valid,
  };
  return {
    handlers: {
      ...nameHandlers(state),
      ...attributeHandlers(state),
      ...directoryHandlers(state),
      ...fileHandlers(state, options.passthrough, services.log),
    },
    session: {
      want: options.passthrough ? [...WANTED, "PASSTHROUGH"] : WANTED,
      maxStackDepth: options.passthrough ? options.maxStackDepth : 0,
    },
    close: () => inodes.close(),
  };
}
