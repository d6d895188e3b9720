import type { ImageNode } from "../node.js";

/** Where the bytes of a stream come from. */
export type Give = (target: Uint8Array, position: number) => number;

/** Takes what became of something that was submitted: bytes, or a negative errno. */
export type Done = (result: number) => void;

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
  /**
   * As `read`, while other reads and writes are under way; `target` is theirs until then.
   *
   * @param done gets the result later, if it is not returned
   * @returns the result, or undefined while it is under way
   */
  submitRead(node: ImageNode, position: number, target: Uint8Array, done: Done): number | undefined;
  /** As `write`; see `submitRead`. Whole blocks inside the file go to the image at the same time, others wait for them. */
  submitWrite(node: ImageNode, position: number, source: Uint8Array, done: Done): number | undefined;
  /** As `sync`, while others are under way; what was not done before it need not be durable. */
  submitSync(node: ImageNode, dataOnly: boolean, done: Done): number | undefined;
  /** Calls back when nothing of a node is under way. */
  whenIdle(nodeid: number, run: () => void): void;
  /** Whether anything of a node is under way: then its blocks are not to be freed, nor is it to be forgotten. */
  isUsing(nodeid: number): boolean;
  /** Whether anything is under way. */
  readonly isBusy: boolean;
  /**
   * Writes up to `length` bytes from `position` on as one operation, so that space for all of it is found at once.
   *
   * @param buffer what the bytes go through
   * @param give fills its argument, a window of `buffer`, with what belongs at a position; answers bytes, 0 where they end
   * @returns bytes, or a negative errno
   */
  writeStream(node: ImageNode, position: number, length: number, buffer: Uint8Array, give: Give): number;
  /** SEEK_DATA and SEEK_HOLE. @returns the offset, or a negative errno; ENXIO when nothing of that kind follows */
  seek(node: ImageNode, offset: number, wanted: "data" | "hole"): number;
  /** Sets the size; what a file grows by reads as zeros. @returns 0, or a negative errno */
  resize(node: ImageNode, size: number): number;
  /** fallocate(2); `mode` as there. @returns 0, or a negative errno */
  fallocate(node: ImageNode, mode: number, offset: number, length: number): number;
  /** A file has been written: its times say so, where that does not happen by itself. @returns 0, or a negative errno */
  touch(node: ImageNode): number;
  /** A file is durable when this returns; `dataOnly`: as far as it takes to read it back. @returns 0, or a negative errno */
  sync(node: ImageNode, dataOnly: boolean): number;
  /** Nothing of a node is to be remembered. Nothing of it may be under way. */
  forget(nodeid: number): void;
  /** As `forget`: the node may be gone, and its number another's from now on. */
  gone(nodeid: number): void;
  /** Brings to the image what is still on its way. @returns 0, or a negative errno */
  flush(): number;
  close(): void;
}
