import { CorruptionError, type DirectoryEntry, DirectoryListing, type FileSystem, type Inode } from "@bulkhead/ext4";

/** One entry met on a walk. */
export interface WalkEntry {
  readonly entry: DirectoryEntry;
  readonly inode: Inode;
  /** 1 for entries of the directory that the walk started from. */
  readonly depth: number;
  readonly isLast: boolean;
}

/** What a walk meets: an entry, and after a directory's entries its end. */
export type WalkStep =
  | { readonly kind: "entry"; readonly at: WalkEntry }
  | { readonly kind: "end"; readonly at: WalkEntry };

export interface WalkOptions {
  /** Entries to pass over. */
  skip?(entry: DirectoryEntry): boolean;
  /** Whether to go into a directory that was just met; asked after the step was used. */
  enter(at: WalkEntry): boolean;
  /** Told of what could not be read: an entry's inode or the rest of a directory. */
  failed(error: unknown, directory: Inode, entry?: DirectoryEntry): void;
}

/** Deeper than any path that a system call takes can lead. */
const MOST_DEPTH = 4096;

interface Level {
  readonly directory: Inode;
  readonly entries: readonly DirectoryEntry[];
  next: number;
  readonly at: WalkEntry | undefined;
}

/**
 * Walks a directory tree depth first, names sorted by their bytes. Neither a loop of directories nor any depth of them (a
 * hostile image may have both) makes it run for ever or out of memory: each directory is entered once.
 */
export function* walk(fs: FileSystem, root: Inode, options: WalkOptions): Generator<WalkStep, void, undefined> {
  const entered = new Set([root.ino]);
  const levels: Level[] = [{ directory: root, entries: sortedEntries(fs, root, options), next: 0, at: undefined }];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const entry = level.entries[level.next];
    if (entry === undefined) {
      levels.pop();
      if (level.at !== undefined) yield { kind: "end", at: level.at };
      continue;
    }
    level.next++;
    const inode = inodeOf(fs, level.directory, entry, options);
    if (inode === undefined) continue;
    const at: WalkEntry = { entry, inode, depth: levels.length, isLast: level.next === level.entries.length };
    yield { kind: "entry", at };
    if (!inode.isDirectory || !options.enter(at)) continue;
    if (entered.has(inode.ino)) {
      const evidence = `directory ${inode.ino} has two parents`;
      options.failed(new CorruptionError("directory-entry", { inode: inode.ino }, evidence), level.directory, entry);
      continue;
    }
    if (levels.length === MOST_DEPTH) {
      options.failed(new Error(`more than ${MOST_DEPTH} directories deep`), level.directory, entry);
      continue;
    }
    entered.add(inode.ino);
    levels.push({ directory: inode, entries: sortedEntries(fs, inode, options), next: 0, at });
  }
}

/** The entries of a directory by the bytes of their names; those before a damaged place if there is one. */
export function sortedEntries(
  fs: FileSystem,
  directory: Inode,
  { failed, skip }: Pick<WalkOptions, "failed" | "skip">,
): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  try {
    for (const entry of new DirectoryListing(fs, directory)) {
      if (skip?.(entry) !== true) entries.push(entry);
    }
  } catch (error) {
    failed(error, directory);
  }
  return entries.sort((a, b) => Buffer.compare(a.nameBytes, b.nameBytes));
}

function inodeOf(fs: FileSystem, directory: Inode, entry: DirectoryEntry, { failed }: WalkOptions): Inode | undefined {
  try {
    return fs.entryInode(directory, entry.ino);
  } catch (error) {
    failed(error, directory, entry);
    return undefined;
  }
}
