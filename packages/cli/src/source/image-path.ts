import { statSync } from "node:fs";
import { UsageError } from "../command-line/errors.js";

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
 * @throws UsageError when no prefix is there
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
  if (kindOf(image) === "directory")
    throw new UsageError(`${image} is a directory; name an image file or a device, as in disk.img:/etc`);
  throw new UsageError(`there is no image ${image}; name a file in it as IMAGE:/PATH, as in disk.img:/etc`);
}

function isSource(path: string): boolean {
  return kindOf(path) === "source";
}

function kindOf(path: string): "source" | "directory" | "none" {
  try {
    const stat = statSync(path);
    return stat.isDirectory() ? "directory" : "source";
  } catch {
    return "none";
  }
}
