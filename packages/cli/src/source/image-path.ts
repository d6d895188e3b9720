import { closeSync, openSync, readSync, statSync } from "node:fs";
import { hostPath } from "@bulkhead/server/descriptor";
import { CommandError, UsageError } from "../command-line/errors.js";
import { reasonOf } from "../command-line/reason.js";

/** A file inside an image, as the user names it. */
export interface ImagePath {
  /** An image file or a device. */
  readonly image: string;
  /** Absolute path inside. */
  readonly path: string;
}

/**
 * Splits `IMAGE:/PATH`. Image names may have colons: of the prefixes that are a file or a device, the longest is the image.
 * `IMAGE` and `IMAGE:` alone mean its root directory.
 *
 * @throws UsageError when no prefix is there, CommandError when it cannot be told
 */
export function parseImagePath(text: string): ImagePath {
  if (isSource(text)) return { image: text, path: "/" };
  for (let colon = text.lastIndexOf(":"); colon > 0; colon = text.lastIndexOf(":", colon - 1)) {
    const image = text.slice(0, colon);
    if (!isSource(image)) continue;
    const path = text.slice(colon + 1);
    return { image, path: path.startsWith("/") ? path : `/${path}` };
  }
  const colon = text.indexOf(":");
  const image = colon > 0 ? text.slice(0, colon) : text;
  const kind = kindOf(image);
  if (kind instanceof Error) throw new CommandError(`cannot open ${image}: ${reasonOf(kind)}`);
  if (kind === "directory")
    throw new UsageError(`${image} is a directory; name an image file or a device, as in disk.img:/etc`);
  throw new UsageError(`there is no image ${image}; name a file in it as IMAGE:/PATH, as in disk.img:/etc`);
}

function isSource(path: string): boolean {
  return kindOf(path) === "source";
}

function kindOf(path: string): "source" | "directory" | "none" | Error {
  try {
    return statSync(hostPath(path)).isDirectory() ? "directory" : "source";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR" ? "none" : (error as Error);
  }
}

/** Where ext2, ext3 and ext4 have their number, and where disks with partitions have theirs, GPT's as well; and which, in little endian. */
const MAGICS = [
  { at: 1080, magic: 0xef53 },
  { at: 510, magic: 0xaa55 },
] as const;

/** Whether a file begins as ext2, ext3 and ext4 do, or as a disk with partitions: four bytes, and nothing else of it, are looked at. */
export function looksLikeImage(path: string): boolean {
  const bytes = Buffer.alloc(2);
  let fd: number | undefined;
  try {
    const opened = openSync(hostPath(path), "r");
    fd = opened;
    return MAGICS.some(({ at, magic }) => readSync(opened, bytes, 0, 2, at) === 2 && bytes.readUInt16LE(0) === magic);
  } catch {
    return false; // whatever it is, it cannot be read
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
