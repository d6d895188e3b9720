import { casefold, FOLDED_MAX } from "../dir/casefold.js";
import {
  FileType,
  GOOD_OLD_INODE_SIZE,
  I_BLOCK_OFFSET,
  I_BLOCK_SIZE,
  InodeFlag,
  InodeLayout,
} from "../format/inode.js";
import { FastCommitTag } from "../format/journal.js";
import { inodeChecksumSeed } from "../inode/inode.js";
import { inodeChecksum, readRawInode } from "../inode/inode-table.js";
import type { BlockMapping } from "../map/mapping.js";
import type { Volume } from "../volume.js";
import { checkRecord, type EntryRecord, type FastCommitRecord, type RangeRecord } from "./fast-commit-scan.js";
import { RangeList } from "./range-list.js";

const at = InodeLayout.offset;
const GENERATION_END = I_BLOCK_OFFSET + I_BLOCK_SIZE;
const EXTENT_MAGIC = 0xf30a;
const MAX_LINKS = 65_000;

/** What fast commits did to one name of one directory, in order. */
export interface NameHistory {
  /** As it was spelt first: in a case-insensitive directory the records may spell it in other ways. */
  readonly name: Uint8Array;
  readonly records: EntryRecord[];
}

/** What fast commits did to one directory. */
export class DirectoryHistory {
  /** In the order in which names first turned up. */
  readonly order: NameHistory[] = [];
  readonly #names = new Map<string, NameHistory>();
  readonly #foldsCase: boolean;

  /** @param foldsCase whether the directory compares names without regard to case */
  constructor(foldsCase: boolean) {
    this.#foldsCase = foldsCase;
  }

  /** What happened to a name; undefined if nothing did. */
  of(name: Uint8Array): NameHistory | undefined {
    return this.#names.get(nameKey(name, this.#foldsCase));
  }

  add(record: EntryRecord): void {
    const key = nameKey(record.name, this.#foldsCase);
    let history = this.#names.get(key);
    if (history === undefined) {
      history = { name: record.name, records: [] };
      this.#names.set(key, history);
      this.order.push(history);
    }
    history.records.push(record);
  }
}

/** What fast commits say of one inode. */
interface InodeHistory {
  raw: Uint8Array | undefined;
  /** Whether the inode was given to a new file, so that the map on disk is another file's. */
  isNew: boolean;
  ranges: RangeRecord[];
  list: RangeList | undefined;
  /** Names that it got, less those that it lost, since its inode was logged last. */
  linksSince: number;
}

/** What fast commits made of the counts of free things: to be added to what the group descriptors say. */
export interface FreeCountChange {
  readonly clusters: number;
  readonly inodes: number;
}

/**
 * The fast commits over a volume that is read only: they say what changed, not which blocks, so they are applied to what the
 * engine decodes: inodes, maps and directories ask here. Block counts are those that the logged inodes have, and the free
 * counts follow them. (Blocks that the kernel's replay gives to a directory whose blocks are full are not foreseen.)
 */
export class FastCommitOverlay {
  readonly #inodes = new Map<number, InodeHistory>();
  readonly #directories = new Map<number, DirectoryHistory>();
  /** New directories, which have no blocks yet, and their parents. */
  readonly #newDirectories = new Map<number, number>();
  /** Subdirectories that a directory has more than its inode counts: the kernel does not log the inodes of directories. */
  readonly #addedSubdirectories = new Map<number, number>();

  /** What changed in the counts of free clusters and inodes. */
  readonly freeCountChange: FreeCountChange;

  /**
   * @param volume without fast commits: its inodes are those on disk
   * @param records as scanFastCommits gives them; checked here
   */
  constructor(volume: Volume, records: readonly FastCommitRecord[]) {
    for (const record of records) {
      checkRecord(volume, record);
      if ("parent" in record) this.#addEntry(volume, record);
      else if (record.tag === FastCommitTag.inode) this.#addInode(record.ino, record.raw);
      else this.#historyOf(record.ino).ranges.push(record);
    }
    for (const history of this.#inodes.values()) {
      if (history.ranges.length > 0) history.list = new RangeList(history.ranges);
    }
    this.freeCountChange = this.#countFree(volume);
  }

  /** As the kernel's replay marks in the bitmaps: what the inodes have now, without what they had. */
  #countFree(volume: Volume): FreeCountChange {
    let sectors = 0;
    let inodes = 0;
    for (const [ino, { raw, linksSince }] of this.#inodes) {
      const before = usageOf(volume, onDisk(volume, ino));
      const after = raw === undefined ? before : usageOf(volume, raw);
      // Who lost the last name and was not logged after that is gone.
      const gone = linksSince < 0 && after.links + linksSince <= 0;
      sectors += before.sectors - (gone ? 0 : after.sectors);
      inodes += (before.links > 0 ? 1 : 0) - (after.links > 0 && !gone ? 1 : 0);
    }
    return { clusters: Math.floor((sectors * 512) / volume.geometry.clusterSize), inodes };
  }

  /**
   * Makes the on-disk inode `raw` what the last fast commit said of it, as the kernel's replay does: all but i_block, which
   * of extent-mapped files follows from the ranges.
   */
  patchInode(volume: Volume, ino: number, raw: Uint8Array): void {
    const history = this.#inodes.get(ino);
    const added = this.#addedSubdirectories.get(ino);
    if (history?.raw === undefined && added === undefined) return;
    const view = viewOf(raw);
    if (history?.raw !== undefined) takeLogged(raw, view, history.raw, history.isNew);
    else if (volume.features.metadataCsum && !hasRightChecksum(volume, ino, raw, view)) return;
    if (added !== undefined) this.#countSubdirectories(ino, view, added);
    if (volume.features.metadataCsum) setChecksum(volume, ino, raw, view);
  }

  /** Fills `out` from `fileBlock` on where a fast commit changed the inode's map; false where it did not. */
  mapChanged(ino: number, fileBlock: number, out: BlockMapping): boolean {
    return this.#inodes.get(ino)?.list?.map(fileBlock, out) ?? false;
  }

  /** Ends a mapping from the inode's own map where the next changed range starts. */
  clip(ino: number, out: BlockMapping): void {
    this.#inodes.get(ino)?.list?.clip(out);
  }

  /** Directories in which something happened. */
  get changedDirectories(): Iterable<number> {
    return this.#directories.keys();
  }

  /** Notes what was counted once the overlay was in place. */
  setAddedSubdirectories(ino: number, added: number): void {
    this.#addedSubdirectories.set(ino, added);
  }

  /** What happened in a directory; undefined if nothing did. */
  directory(ino: number): DirectoryHistory | undefined {
    return this.#directories.get(ino);
  }

  /** The parent of a directory that a fast commit created, which has no blocks of its own yet; 0 for any other. */
  newDirectoryParent(ino: number): number {
    return this.#newDirectories.get(ino) ?? 0;
  }

  /** File type and permissions as a fast commit logged them; undefined if it did not. */
  loggedMode(ino: number): number | undefined {
    const raw = this.#inodes.get(ino)?.raw;
    return raw === undefined ? undefined : raw[at.mode]! + raw[at.mode + 1]! * 0x100;
  }

  /** As the kernel counts: 1 stands for more than fit. */
  #countSubdirectories(ino: number, view: DataView, added: number): void {
    const before = this.#newDirectories.has(ino) ? 2 : view.getUint16(at.linksCount, true);
    if (before < 2) return;
    const links = Math.max(2, before + added);
    view.setUint16(at.linksCount, links > MAX_LINKS ? 1 : links, true);
  }

  #historyOf(ino: number): InodeHistory {
    let history = this.#inodes.get(ino);
    if (history === undefined) {
      history = { raw: undefined, isNew: false, ranges: [], list: undefined, linksSince: 0 };
      this.#inodes.set(ino, history);
    }
    return history;
  }

  #addInode(ino: number, raw: Uint8Array): void {
    const history = this.#historyOf(ino);
    const { raw: before } = history;
    if (before !== undefined && generationOf(before) !== generationOf(raw)) {
      // The inode was freed and given to another file between two fast commits.
      history.isNew = true;
      history.ranges = [];
    }
    history.raw = raw;
    history.linksSince = 0;
  }

  #addEntry(volume: Volume, record: EntryRecord): void {
    if (record.tag === FastCommitTag.link) this.#historyOf(record.ino).linksSince++;
    if (record.tag === FastCommitTag.unlink) this.#historyOf(record.ino).linksSince--;
    if (record.tag === FastCommitTag.create) {
      const mode = this.loggedMode(record.ino);
      if (mode !== undefined && (mode & FileType.mask) === FileType.directory) {
        this.#newDirectories.set(record.ino, record.parent);
      }
    }
    let directory = this.#directories.get(record.parent);
    if (directory === undefined) {
      directory = new DirectoryHistory(this.#foldsCase(volume, record.parent));
      this.#directories.set(record.parent, directory);
    }
    directory.add(record);
  }

  #foldsCase(volume: Volume, ino: number): boolean {
    if (!volume.features.casefold) return false;
    const raw = this.#inodes.get(ino)?.raw ?? onDisk(volume, ino);
    const flags = raw === undefined ? 0 : viewOf(raw).getUint32(at.flags, true);
    return (flags & InodeFlag.casefold) !== 0 && (flags & InodeFlag.encrypt) === 0;
  }
}

/**
 * The inode number that a name stands for after its history, given what the blocks of the directory say (0: nothing). As the
 * kernel replays it: what is there already is not replaced, and only the entry that was meant is removed.
 */
export function resolveName(history: NameHistory, onDisk: number): number {
  let ino = onDisk;
  for (const record of history.records) {
    if (record.tag !== FastCommitTag.unlink) ino = ino === 0 ? record.ino : ino;
    else if (ino === record.ino) ino = 0;
  }
  return ino;
}

/** The record that a name stands for after its history; undefined if it is the directory's own entry, or nothing. */
export function addedEntry(history: NameHistory, onDisk: number): EntryRecord | undefined {
  let ino = onDisk;
  let added: EntryRecord | undefined;
  for (const record of history.records) {
    if (record.tag !== FastCommitTag.unlink) {
      if (ino !== 0) continue;
      ino = record.ino;
      added = record;
    } else if (ino === record.ino) {
      ino = 0;
      added = undefined;
    }
  }
  return added;
}

/** @param forget whether what is on disk is another file's in any case */
function takeLogged(raw: Uint8Array, view: DataView, logged: Uint8Array, forget: boolean): void {
  const loggedView = viewOf(logged);
  const isNew = forget || view.getUint32(at.generation, true) !== loggedView.getUint32(at.generation, true);
  if (isNew) raw.fill(0);
  raw.set(logged.subarray(0, I_BLOCK_OFFSET));
  raw.set(logged.subarray(GENERATION_END, raw.length), GENERATION_END);
  const flags = view.getUint32(at.flags, true);
  if ((flags & InodeFlag.extents) !== 0) {
    if (view.getUint16(I_BLOCK_OFFSET, true) !== EXTENT_MAGIC) clearExtents(raw, view);
  } else if ((flags & InodeFlag.inlineData) !== 0 || !hasMap(view.getUint16(at.mode, true))) {
    raw.set(logged.subarray(I_BLOCK_OFFSET, GENERATION_END), I_BLOCK_OFFSET);
  }
}

const folded = new Uint8Array(FOLDED_MAX);

/** What names are told apart by: their bytes, or their folded form if they have one; a byte a character. */
function nameKey(name: Uint8Array, foldsCase: boolean): string {
  const length = foldsCase ? casefold(name, folded) : -1;
  let key = "";
  for (const byte of length < 0 ? name : folded.subarray(0, length)) key += String.fromCharCode(byte);
  return key;
}

/** The bytes of an inode as it is without the fast commits; undefined where it is unused or damaged. */
function onDisk(volume: Volume, ino: number): Uint8Array | undefined {
  try {
    return readRawInode(volume, ino).raw;
  } catch {
    return undefined;
  }
}

function viewOf(raw: Uint8Array): DataView {
  return new DataView(raw.buffer, raw.byteOffset, raw.length);
}

/** What an inode counts as in use; nothing without a link. */
function usageOf({ features, geometry }: Volume, raw: Uint8Array | undefined): { links: number; sectors: number } {
  if (raw === undefined) return { links: 0, sectors: 0 };
  const view = viewOf(raw);
  const links = view.getUint16(at.linksCount, true);
  if (links === 0) return { links: 0, sectors: 0 };
  let sectors = view.getUint32(at.blocksLo, true);
  if (features.hugeFile) {
    sectors += view.getUint16(at.blocksHi, true) * 2 ** 32;
    if ((view.getUint32(at.flags, true) & InodeFlag.hugeFile) !== 0) sectors *= geometry.blockSize / 512;
  }
  return { links, sectors };
}

/** Whether i_block of a file of this mode maps blocks. */
function hasMap(mode: number): boolean {
  const type = mode & FileType.mask;
  return type === FileType.regular || type === FileType.directory;
}

function generationOf(raw: Uint8Array): number {
  return viewOf(raw).getUint32(at.generation, true);
}

/** An extent root without extents, with room for the four that fit into i_block. */
function clearExtents(raw: Uint8Array, view: DataView): void {
  raw.fill(0, I_BLOCK_OFFSET, GENERATION_END);
  view.setUint16(I_BLOCK_OFFSET, EXTENT_MAGIC, true);
  view.setUint16(I_BLOCK_OFFSET + 4, 4, true);
}

function setChecksum(volume: Volume, ino: number, raw: Uint8Array, view: DataView): void {
  const checksum = checksumOf(volume, ino, raw, view);
  view.setUint16(at.checksumLo, checksum & 0xffff, true);
  if (hasChecksumHigh(raw, view)) view.setUint16(at.checksumHi, checksum >>> 16, true);
}

/** An inode on disk that is wrong must not be given a right checksum. */
function hasRightChecksum(volume: Volume, ino: number, raw: Uint8Array, view: DataView): boolean {
  const checksum = checksumOf(volume, ino, raw, view);
  if (view.getUint16(at.checksumLo, true) !== (checksum & 0xffff)) return false;
  return !hasChecksumHigh(raw, view) || view.getUint16(at.checksumHi, true) === checksum >>> 16;
}

function checksumOf(volume: Volume, ino: number, raw: Uint8Array, view: DataView): number {
  const seed = inodeChecksumSeed(volume.checksumSeed, ino, view.getUint32(at.generation, true));
  return inodeChecksum(seed, raw, raw.length > GOOD_OLD_INODE_SIZE ? view.getUint16(at.extraInodeSize, true) : 0);
}

function hasChecksumHigh(raw: Uint8Array, view: DataView): boolean {
  return raw.length > GOOD_OLD_INODE_SIZE && view.getUint16(at.extraInodeSize, true) >= 4;
}
