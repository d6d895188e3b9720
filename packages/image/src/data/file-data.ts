import type { ImageNode } from "../node.js";

/** How bytes of files get into and out of an image. */
export interface FileData {
  /**
   * Reads up to `target.length` bytes at `position`; fewer at the end of the file alone.
   *
   * @returns bytes, or a negative errno
   */
  read(node: ImageNode, position: number, target: Uint8Array): number;
  /**
   * Writes at `position`, past the end too.
   *
   * @returns bytes, fewer than there are only with progress, or a negative errno
   */
  write(node: ImageNode, position: number, source: Uint8Array): number;
  /** SEEK_DATA and SEEK_HOLE. @returns the offset, or a negative errno; ENXIO when nothing of that kind follows */
  seek(node: ImageNode, offset: number, wanted: "data" | "hole"): number;
  /** Sets the size; what a file grows by reads as zeros. @returns 0, or a negative errno */
  resize(node: ImageNode, size: number): number;
  /** A file has been written: its times say so, where that does not happen by itself. @returns 0, or a negative errno */
  touch(node: ImageNode): number;
  /** Nothing of a node is to be remembered: it may be gone, and its number another's. */
  forget(nodeid: number): void;
  /** Brings to the image what is still on its way. @returns 0, or a negative errno */
  flush(): number;
  close(): void;
}
