import type { Ext4, Inode } from "@bulkhead/ext4";
import { CommandError, exitCodeOf } from "../command-line/errors.js";
import { reasonOf } from "../command-line/reason.js";
import { type ImagePath, parseImagePath } from "./image-path.js";
import { openImage, type SourceSettings } from "./open-image.js";

/** A file in an open image. */
export interface Found extends ImagePath {
  readonly ext4: Ext4;
  readonly inode: Inode;
}

/** The images of one command, each opened once. */
export class Session {
  readonly #settings: SourceSettings;
  readonly #images = new Map<string, Ext4>();

  constructor(settings: SourceSettings) {
    this.#settings = settings;
  }

  /**
   * Finds `IMAGE:/PATH`.
   *
   * @param followLinks whether a symbolic link at the end of the path is followed
   * @throws UsageError, CommandError, and the engine's errors
   */
  find(text: string, followLinks: boolean): Found {
    const { image, path } = parseImagePath(text);
    let ext4 = this.#images.get(image);
    if (ext4 === undefined) {
      ext4 = openImage(image, this.#settings);
      this.#images.set(image, ext4);
    }
    try {
      return { image, path, ext4, inode: ext4.inode(path, { followLinks }) };
    } catch (error) {
      throw new CommandError(`${image} has no ${path}: ${reasonOf(error)}`, exitCodeOf(error));
    }
  }

  close(): void {
    for (const ext4 of this.#images.values()) ext4.close();
    this.#images.clear();
  }
}
