import type { EntryOrder, SourceEntry, SourceNode } from "./ends.js";

/** A tree that is none: the image is damaged. */
export class TreeError extends Error {
  override readonly name = "TreeError";
  readonly code = "ERR_EXT4_CORRUPT";
}

/** One entry met on a walk. */
export interface WalkEntry {
  readonly entry: SourceEntry;
  readonly node: SourceNode;
  /** 1 for entries of the directory that the walk started from. */
  readonly depth: number;
  readonly isLast: boolean;
}

/** What a walk meets: an entry, and after a directory's entries its end. */
export type WalkStep =
  | { readonly kind: "entry"; readonly at: WalkEntry }
  | { readonly kind: "end"; readonly at: WalkEntry };

export interface WalkOptions {
  /** Default: by name. */
  readonly order?: EntryOrder;
  /** Entries to pass over. */
  skip?(entry: SourceEntry): boolean;
  /** Whether to go into a directory that was just met; asked after the step was used. */
  enter(at: WalkEntry): boolean;
  /** Told of what could not be read: an entry's inode or the rest of a directory. */
  failed(error: unknown, directory: SourceNode, entry?: SourceEntry): void;
}

/** Deeper than any path that a system call takes can lead. */
const MOST_DEPTH = 4096;

interface Level {
  readonly directory: SourceNode;
  readonly entries: readonly SourceEntry[];
  next: number;
  readonly at: WalkEntry | undefined;
}

/**
 * Walks a directory tree depth first. Neither a loop of directories nor any depth of them (a
 * hostile image may have both) makes it run for ever or out of memory: each directory is entered once.
 */
export function* walk(root: SourceNode, options: WalkOptions): Generator<WalkStep, void, undefined> {
  const entered = new Set([root.key]);
  const levels: Level[] = [{ directory: root, entries: sortedEntries(root, options), next: 0, at: undefined }];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const entry = level.entries[level.next];
    if (entry === undefined) {
      levels.pop();
      if (level.at !== undefined) yield { kind: "end", at: level.at };
      continue;
    }
    level.next++;
    const node = nodeOf(level.directory, entry, options);
    if (node === undefined) continue;
    const at: WalkEntry = { entry, node, depth: levels.length, isLast: level.next === level.entries.length };
    yield { kind: "entry", at };
    if (node.stats.kind !== "directory" || !options.enter(at)) continue;
    if (entered.has(node.key)) {
      const evidence = `directory ${node.stats.ino} has two parents, or is in itself`;
      options.failed(new TreeError(`corrupt: ${evidence}`), level.directory, entry);
      continue;
    }
    if (levels.length === MOST_DEPTH) {
      options.failed(new Error(`more than ${MOST_DEPTH} directories deep`), level.directory, entry);
      continue;
    }
    entered.add(node.key);
    levels.push({ directory: node, entries: sortedEntries(node, options), next: 0, at });
  }
}

/** The entries of a directory in an order; those before a damaged place if there is one. */
export function sortedEntries(
  directory: SourceNode,
  { failed, skip, order = "name" }: Pick<WalkOptions, "failed" | "skip" | "order">,
): SourceEntry[] {
  const entries: SourceEntry[] = [];
  try {
    directory.list(entries);
  } catch (error) {
    failed(error, directory);
  }
  const byName = (a: SourceEntry, b: SourceEntry) => Buffer.compare(a.name, b.name);
  const byInode = (a: SourceEntry, b: SourceEntry) => a.ino - b.ino || byName(a, b);
  return entries.filter((entry) => skip?.(entry) !== true).sort(order === "inode" ? byInode : byName);
}

function nodeOf(directory: SourceNode, entry: SourceEntry, { failed }: WalkOptions): SourceNode | undefined {
  try {
    return entry.node();
  } catch (error) {
    failed(error, directory, entry);
    return undefined;
  }
}
