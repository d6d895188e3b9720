import { setImmediate } from "node:timers/promises";
import { AccountableSource, SourceFailure } from "./accountable-source.js";
import { type DestinationDirectory, type DestinationPlace, type Draft, pathInside, type SourceNode } from "./ends.js";
import { walk } from "./walk.js";

const CHUNK = 1024 * 1024;
/** Bytes that are written without a look at signals; where space for them is to be found, that is for all of them. */
const STRETCH = 64 * 1024 * 1024;
/** How long the copy may go on without looking at signals and timers, in ms. */
const TURN = 50;

export interface CopierOptions {
  /** Whether several names of an inode stay so. */
  readonly keepLinks: boolean;
  /** Leave what is there already. */
  readonly noClobber: boolean;
  /** Stops the copy between two chunks. */
  readonly signal: AbortSignal;
  /** A file's copy begins. */
  begins?(name: Uint8Array): void;
  /** So many bytes more are copied. */
  copied?(bytes: number): void;
  /** Told of each file that is done. */
  done?(path: Buffer): void;
  /** Told of what failed, with the path of that end which it failed at. */
  failed(path: Buffer, error: unknown): void;
}

/** Copies trees. One for a whole command, so that links between its sources are kept. */
export class Copier {
  readonly #options: CopierOptions;
  readonly #buffer = new Uint8Array(CHUNK);
  /** The first copy of each inode with several links. */
  readonly #links = new Map<string, DestinationPlace>();
  /** Directories that copies went into: a copy inside of what is copied would never end. */
  readonly #targets = new Set<string>();
  #turn = performance.now();

  constructor(options: CopierOptions) {
    this.#options = options;
  }

  /** Copies a directory and what is in it to `place`, which may be a directory already. @param keepTop leave the attributes of one that is */
  async copyTree(root: SourceNode, place: DestinationPlace, keepTop: boolean): Promise<void> {
    let top: ReturnType<DestinationPlace["makeDirectory"]>;
    try {
      top = place.makeDirectory();
      if (top.directory.key === root.key) throw new Error("it is the same directory as what is copied");
    } catch (error) {
      this.#fail(place, error);
      return;
    }
    /** The copies of the directories that the walk is in. */
    const levels: { place: DestinationPlace; directory: DestinationDirectory }[] = [
      { place, directory: top.directory },
    ];
    this.#targets.add(top.directory.key);
    let made: DestinationDirectory | undefined;
    const steps = walk(root, {
      order: root.order,
      enter: () => made !== undefined,
      failed: (error, { path }, entry) =>
        this.#options.failed(entry === undefined ? path : pathInside(path, entry.name), error),
    });
    for (const { kind, at } of steps) {
      if (kind === "end") {
        this.#finishDirectory(at.node, levels.pop()!.place);
        continue;
      }
      made = undefined;
      levels.length = at.depth;
      const { name } = at.entry;
      let target: DestinationPlace | undefined;
      try {
        if (this.#targets.has(at.node.key)) throw new Error("the copy is inside of what is copied; it is left out");
        target = levels[at.depth - 1]!.directory.place(name);
        if (at.node.stats.kind === "directory") {
          made = target.makeDirectory().directory;
          this.#targets.add(made.key);
          levels[at.depth] = { place: target, directory: made };
        } else {
          await this.copyFile(at.node, target, name);
        }
      } catch (error) {
        this.#fail(target ?? at.node, error);
      }
      await this.#pause();
    }
    if (top.isNew || !keepTop) this.#finishDirectory(root, place);
  }

  #finishDirectory(source: SourceNode, place: DestinationPlace): void {
    try {
      place.setAttributes(new AccountableSource(source));
      this.#options.done?.(place.path);
    } catch (error) {
      this.#fail(place, error);
    }
  }

  /** Copies anything but a directory to `place`. Of what fails nothing is left. */
  async copyFile(source: SourceNode, place: DestinationPlace, name: Uint8Array): Promise<void> {
    try {
      await this.#copyFile(new AccountableSource(source), place, name);
    } catch (error) {
      this.#fail(place, error);
    }
  }

  async #copyFile(source: SourceNode, place: DestinationPlace, name: Uint8Array): Promise<void> {
    const { keepLinks, noClobber } = this.#options;
    if (noClobber && place.exists()) return;
    if (place.isNameOf(source)) throw new Error("it is the same file as what is copied");
    this.#options.begins?.(name);
    const linked = keepLinks && source.stats.links > 1;
    const earlier = linked ? this.#links.get(source.key) : undefined;
    const link = earlier === undefined ? undefined : place.draftLink(earlier);
    const draft = link ?? place.draft(source);
    if (draft === undefined) return;
    try {
      if (link === undefined) {
        if (source.stats.kind === "file") await this.#writeContents(source, draft);
        draft.setAttributes(source);
      }
      draft.commit();
    } catch (error) {
      draft.discard();
      throw error;
    }
    if (linked && link === undefined) this.#links.set(source.key, place);
    this.#options.done?.(place.path);
  }

  /** Tells of a failure at `end`, if it was not the other one's. @throws what ends the whole copy */
  #fail(end: { readonly path: Buffer }, error: unknown): void {
    const { signal, failed } = this.#options;
    const { path, cause } = error instanceof SourceFailure ? error : { path: end.path, cause: error };
    if (signal.aborted || isLoss(cause)) throw cause;
    failed(path, cause);
  }

  /** Writes the ranges that hold data, and leaves holes and unwritten space out. */
  async #writeContents(source: SourceNode, draft: Draft): Promise<void> {
    const { size, blocks } = source.stats;
    const contents = source.open();
    let shown = 0;
    try {
      let end = 0;
      for (let range = contents.nextRange(0); range !== undefined; range = contents.nextRange(end)) {
        end = range.end;
        shown += await this.#writeRange(contents, draft, range.start, end);
      }
      if (end < size) draft.resize(size);
    } finally {
      contents.close();
    }
    // Space that is kept without data counts as well.
    this.#options.copied?.(Math.max(0, Math.min(size, blocks * 512) - shown));
  }

  async #writeRange(
    contents: { read(position: number, target: Uint8Array): number },
    draft: Draft,
    from: number,
    to: number,
  ) {
    const give = (target: Uint8Array, at: number) => {
      const count = contents.read(at, target);
      this.#options.copied?.(count);
      return count;
    };
    let position = from;
    while (position < to) {
      const count = draft.write(position, Math.min(position + STRETCH, to), this.#buffer, give);
      if (count === 0) break; // it has become shorter
      position += count;
      await this.#pause();
    }
    return position - from;
  }

  /** Lets signals and the progress bar have their turn. @throws when the copy is to stop */
  async #pause(): Promise<void> {
    if (performance.now() - this.#turn < TURN) return;
    await setImmediate();
    this.#turn = performance.now();
    this.#options.signal.throwIfAborted();
  }
}

/** Whether a server is gone, and with it all that was still to be copied. */
function isLoss(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === "ERR_FUSE_CONNECTION";
}
