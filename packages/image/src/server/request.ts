/** The first message in each direction between a client and the process that serves it; FUSE comes after them. */
import type { MountOptions } from "@bulkhead/ext4";

/** Descriptors that the server's process is born with. */
export const Descriptor = { socket: 3, image: 4 } as const;

/** What to serve; plain data. */
export interface ServeRequest {
  /** For messages and records; it is not opened. */
  readonly path: string;
  readonly offset?: number;
  readonly partition?: number;
  /** The number that mappings name the image by, if the client does the file I/O itself; else the server does. */
  readonly device?: number;
  readonly engine: Pick<MountOptions, "writable" | "loadJournal" | "superblock" | "cacheBytes" | "quota">;
}

/** How that went. */
export type ServeReport =
  /** Where in the image the file system is, in bytes. */
  | { readonly kind: "serving"; readonly start: number; readonly length: number }
  | { readonly kind: "failed"; readonly message: string; readonly code?: string; readonly corruption?: string };

/** Bytes of the longest of these messages. */
export const LONGEST_MESSAGE = 64 * 1024;
