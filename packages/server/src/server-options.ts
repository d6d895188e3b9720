import type { HostDevice } from "@bulkhead/iomap/in-process";
import type { AccessTimes } from "./access-times.js";
import type { IoThread } from "./io-thread.js";
import type { LookupCounts } from "./lookups.js";
import type { IomapOptions } from "./outside-host.js";

/** How the file system is served. */
export interface ServerOptions {
  /** Default relatime. */
  readonly accessTimes?: AccessTimes;
  /** Whether reading directories changes their access times: mount's nodiratime is false. Default true. */
  readonly directoryAccessTimes?: boolean;
  /** Whether the kernel may keep written pages in its cache for a while. Default true; not with `sync`. */
  readonly writebackCache?: boolean;
  /** Whether every change is durable when it is answered. Default false. */
  readonly sync?: boolean;
  /** Whether changes of names are. Default false. */
  readonly dirSync?: boolean;
  /** Who may use the reserved blocks besides root. Default: what the superblock says. */
  readonly reservedUid?: number;
  readonly reservedGid?: number;
  /** Offers the other end to do the file I/O itself. Default: it is done here. */
  readonly iomap?: IomapOptions;
  /** Where file data is read and written; default the file system's device. */
  readonly dataDevice?: HostDevice;
  /** Told, after the request that changed something, that the engine may have new deadlines. */
  readonly onChange?: () => void;
  /**
   * Asked to have the kernel drop what it knows of an inode's attributes, pages excepted: they changed without its knowing.
   * Before the answer to a request that holds the inode, so that whoever asked sees the change; never one that is let go of.
   */
  readonly expire?: (nodeid: number) => void;
  /** The descriptor of /dev/fuse, for replies from other threads: reads of what is not cached then hold nobody up. */
  readonly connection?: () => number;
  /**
   * Whether who is told ESTALE by a RENAME looks its names up anew and asks once more, as the kernel's rename(2) does. Default false: who
   * is at the other end remembers no names.
   */
  readonly asksAgain?: boolean;
  /** Where the names are kept that such a RENAME was about; see MovedNames. Default: in this process only. */
  readonly movedNames?: Float64Array;
  /** Who does such reads, and the I/O of commits; default a thread that is started when there is one. */
  readonly ioThread?: IoThread | undefined;
  /** Counts look-ups. Default: in this process only. */
  readonly lookups?: LookupCounts;
  /** Told, before something is made durable at the end of a request, that the request has done all it does. */
  readonly beforeSync?: () => void;
  /** Calls back between two requests, at least so many milliseconds from now. */
  readonly after?: (milliseconds: number, run: () => void) => void;
}
