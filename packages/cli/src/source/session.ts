import { statSync } from "node:fs";
import type { Image, ImageNode } from "@bulkhead/image";
import { hostPath } from "@bulkhead/server/descriptor";
import { CommandError, exitCodeOf } from "../command-line/errors.js";
import { reasonOf } from "../command-line/reason.js";
import { type ImagePath, parseImagePath } from "./image-path.js";
import { openDisk, type SourceSettings } from "./open-disk.js";

/** A file in an open image. */
export interface Found extends ImagePath {
  readonly disk: Image;
  readonly node: ImageNode;
}

/** The images of one command, each opened once. */
export class Session {
  readonly #settings: SourceSettings;
  readonly #disks = new Map<string, Image>();

  constructor(settings: SourceSettings) {
    this.#settings = settings;
  }

  /**
   * The open image; the first who asks decides whether it is writable.
   *
   * @throws CommandError with a line that says what to do
   */
  async open(image: string, writable: boolean): Promise<Image> {
    const { dev, ino } = statSync(hostPath(image), { bigint: true });
    const key = `${dev}:${ino}`;
    let disk = this.#disks.get(key);
    if (disk === undefined) {
      disk = await openDisk(image, this.#settings, writable);
      this.#disks.set(key, disk);
    }
    return disk;
  }

  /**
   * Finds `IMAGE:/PATH`.
   *
   * @param followLinks whether a symbolic link at the end of the path is followed
   * @throws UsageError, CommandError
   */
  async find(text: string, followLinks: boolean, writable = false): Promise<Found> {
    const { image, path } = parseImagePath(text);
    const disk = await this.open(image, writable);
    try {
      return { image, path, disk, node: disk.find(path, { followLinks }) };
    } catch (error) {
      throw new CommandError(`${image} has no ${path}: ${reasonOf(error)}`, exitCodeOf(error));
    }
  }

  /** When this returns, everything is on the images. @throws what could not be brought there */
  close(): void {
    const disks = [...this.#disks.values()];
    this.#disks.clear();
    let failure: unknown;
    for (const disk of disks) {
      try {
        disk.close();
      } catch (error) {
        failure ??= new CommandError(`${disk.path}: not everything is on it: ${reasonOf(error)}; run e2fsck`);
      }
    }
    if (failure !== undefined) throw failure;
  }
}
