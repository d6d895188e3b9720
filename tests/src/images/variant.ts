/** What an image of the zoo is made of. */
import type { FillProfile } from "./fill/index.js";

export interface ImageVariant {
  /** Also the name of its file. */
  readonly name: string;
  /** What this image has that others do not. */
  readonly about: string;
  /** The name of the one that comes nearest to it: that one is in every run, this one in the long tests only. */
  readonly like?: string;
  /** Bytes of the filesystem; the file is sparse. */
  readonly size: number;
  /** Arguments of mke2fs beside the device, the UUID and the hash seed. */
  readonly mke2fs: readonly string[];
  /** Arguments of tune2fs before the fill. */
  readonly tune2fs?: readonly string[];
  /** Arguments of tune2fs after it, for what this kernel may not be able to write. */
  readonly tune2fsAfter?: readonly string[];
  /** Requests to debugfs -w before the fill. */
  readonly before?: readonly string[];
  /** Requests to debugfs -w after the fill, when the image is no longer mounted. */
  readonly after?: readonly string[];
  /** Rebuild every directory's index afterwards (e2fsck -D), because names hash otherwise than the kernel hashed them. */
  readonly rehash?: boolean;
  /** Requests to debugfs -w on the copy that the kernel walks, where the image has what this kernel refuses. */
  readonly truth?: readonly string[];
  /** Options of the mount that is filled. */
  readonly mountOptions?: readonly string[];
  readonly fill?: Partial<FillProfile>;
  /** Where in a partitioned disk the filesystem lies; a bare image without it. */
  readonly partition?: "gpt" | "mbr";
  /** A step of the fill beyond the common tree. */
  readonly extra?: "encryption" | "verity" | "casefold" | "far";
  /** The file is too big for an ordinary filesystem to hold, sparse or not: it goes to a tmpfs. */
  readonly enormous?: boolean;
}

export const MIB = 1 << 20;
export const TIB = 2 ** 40;

/** The tree every image gets, unless its variant says otherwise. */
export const DEFAULT_FILL: FillProfile = { names: 3000, longNames: false, extents: 1500, plainNames: false };
