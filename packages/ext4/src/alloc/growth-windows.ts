import { findSet } from "./bits.js";
import type { GroupSpace } from "./group-space.js";

/** The space behind a file that grows, which other files leave alone while there is other space. Clusters of one group. */
export interface GrowthWindow {
  readonly ino: number;
  space: GroupSpace;
  /** Where the file ends: the next cluster that it will ask for. */
  start: number;
  end: number;
  /** Clusters that the file was given since it is known to grow. */
  grown: number;
}

/** Files that are known to grow; the one that grew longest ago goes first. */
const MOST_WINDOWS = 64;

/**
 * Windows behind files that grow, so that files that are written at the same time do not end in each other's way. A window is as
 * long as what the file got so far, within bounds. They are hints: nothing but the order of the search depends on them.
 */
export class GrowthWindows {
  readonly #windows = new Map<number, GrowthWindow>();

  /** The cluster at which a file ends, if it grows in this group; else -1. */
  endOf(ino: number, space: GroupSpace): number {
    const window = this.#windows.get(ino);
    return window?.space === space ? window.start : -1;
  }

  /** Clusters that a file was given since it is known to grow; 0 if it is not. */
  grownBy(ino: number): number {
    return this.#windows.get(ino)?.grown ?? 0;
  }

  /**
   * Notes that a growing file was given [from, end).
   *
   * @param shortest shortest window, in clusters
   * @param longest longest window
   */
  grew(
    ino: number,
    space: GroupSpace,
    bits: DataView,
    from: number,
    end: number,
    shortest: number,
    longest: number,
  ): void {
    const grown = end - from + this.grownBy(ino);
    this.delete(ino);
    const room = Math.min(longest, Math.max(shortest, grown));
    const window = { ino, space, start: end, end: findSet(bits, end, Math.min(end + room, space.clusters)), grown };
    this.#windows.set(ino, window);
    space.windows.push(window);
    if (this.#windows.size > MOST_WINDOWS) {
      for (const oldest of this.#windows.keys()) {
        this.delete(oldest);
        break;
      }
    }
  }

  delete(ino: number): void {
    const window = this.#windows.get(ino);
    if (window === undefined) return;
    this.#windows.delete(ino);
    const { windows } = window.space;
    windows.splice(windows.indexOf(window), 1);
  }
}
