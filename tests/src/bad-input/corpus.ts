/** One or more images for every kind of corruption: the smallest change that breaks its rule, and only that. */
import type { CorruptionKind } from "@bulkhead/ext4";
import { Editor, SUPERBLOCK } from "./editor.js";
import { makeJournalSpecimen } from "./journal-specimen.js";
import { makeSpecimen, type Specimen, specimens } from "./specimen.js";
import { makeWritableSpecimen, type WritableSpecimen, writableSpecimens } from "./writable-specimens.js";

/** The images that are damaged. */
export type Base = ReadBase | ChangedBase;
type ReadBase = "plain" | "checksums" | "pointers" | "journal" | "journal with checksums";
type ChangedBase = (typeof changedBases)[number];

/** Of which only somebody who writes looks at the damaged parts. */
const changedBases = ["groups with checksums", "quota", "two writers"] as const;

export function isForWriters({ base }: Pick<Damage, "base">): boolean {
  return (changedBases as readonly string[]).includes(base);
}

export interface Damage {
  readonly kind: CorruptionKind;
  /** What is wrong, in words. */
  readonly what: string;
  readonly base: Base;
  readonly inflict: (image: Editor) => void;
}

const made = new Map<Base, Uint8Array>();

/** The undamaged image; made once. */
export function baseImage(base: Base): Uint8Array {
  let image = made.get(base);
  if (image === undefined) {
    image = make(base);
    made.set(base, image);
  }
  return image;
}

function make(base: Base): Uint8Array {
  switch (base) {
    case "plain":
      return makeSpecimen(named("no checksums"));
    case "checksums":
      return makeSpecimen(named("metadata_csum"));
    case "pointers":
      return makeSpecimen(named("pointers"));
    case "groups with checksums":
      return makeWritableSpecimen(changed("unused groups"));
    case "quota":
      return makeWritableSpecimen(changed("quota"));
    case "two writers":
      return makeWritableSpecimen({ name: base, size: 2, mke2fs: ["-b", "1024", "-N", "96"], last: "mmp" });
    default:
      return makeJournalSpecimen(base === "journal with checksums");
  }
}

function named(part: string): Specimen {
  const specimen = specimens.find(({ name }) => name.includes(part));
  if (specimen === undefined) throw new Error(`no specimen ${part}`);
  return specimen;
}

function changed(part: string): WritableSpecimen {
  const specimen = writableSpecimens.find(({ name }) => name.includes(part));
  if (specimen === undefined) throw new Error(`no specimen ${part}`);
  return specimen;
}

export function damagedImage({ base, inflict }: Damage): Uint8Array {
  const editor = new Editor(baseImage(base));
  inflict(editor);
  return editor.bytes;
}

/** Far outside of every specimen. */
const NOWHERE = 0x0fff_ff00;
const EXTENT_ENTRY = 12;
const INDEX_ENTRY = 8;
const INDEX_ROOT_ENTRIES = 32;
const JOURNAL = 8;
const USER_QUOTA = 3;

/** Byte offset of the first leaf of an extent tree of depth 1. */
function extentLeaf(image: Editor, path: string): number {
  return image.u32(image.pointer(path, 3) + 4) * image.blockSize;
}

/** Byte offset of the directory entry `name`, searched in all blocks of a directory. */
function entryAt(image: Editor, path: string, name: string): number {
  const dir = image.inode(path);
  const wanted = Buffer.from(name);
  for (let fileBlock = 0; fileBlock < dir.size / image.blockSize; fileBlock++) {
    const start = image.block(dir, fileBlock);
    for (let at = start; at < start + image.blockSize; at += image.u16(at + 4)) {
      if (
        image.bytes[at + 6] === wanted.length &&
        wanted.equals(image.bytes.subarray(at + 8, at + 8 + wanted.length))
      ) {
        return at;
      }
    }
  }
  throw new Error(`no entry ${name}`);
}

/** Byte offset of the attribute block of a path. */
function xattrBlock(image: Editor, path: string): number {
  const at = image.u32(image.field(path, "fileAclLo"));
  if (at === 0) throw new Error(`${path} has no attribute block`);
  return at * image.blockSize;
}

/** Byte offset of the entry with a name index in a list of attributes. */
function entryOfXattr(image: Editor, first: number, index: number): number {
  for (let at = first; image.u32(at) !== 0; at += (16 + image.bytes[at]! + 3) & ~3) {
    if (image.bytes[at + 1] === index) return at;
  }
  throw new Error(`no attribute of index ${index}`);
}

/** Byte offset of the first attribute inside the inode of a path. */
function inodeXattrs(image: Editor, path: string): number {
  const { ino } = image.inode(path);
  return image.inodeAt(ino) + 128 + image.u16(image.field(ino, "extraInodeSize")) + 4;
}

/** Byte offset of a block of the journal. */
function journalBlock(image: Editor, block: number): number {
  return image.block(image.fs.inode(JOURNAL), block);
}

/** Byte offset of an interior byte of a directory's index root. */
function indexRoot(image: Editor): number {
  return image.block("indexed", 0);
}

export const corpus: readonly Damage[] = [
  {
    kind: "superblock-magic",
    what: "no magic number",
    base: "plain",
    inflict: (image) => image.set16(SUPERBLOCK + 0x38, 0),
  },
  {
    kind: "superblock-checksum",
    what: "another label",
    base: "checksums",
    inflict: (image) => image.flip(SUPERBLOCK + 0x78),
  },
  {
    kind: "superblock-geometry",
    what: "an inode more than the groups have",
    base: "plain",
    inflict: (image) => image.set32(SUPERBLOCK, image.u32(SUPERBLOCK) + 1),
  },
  {
    kind: "superblock-geometry",
    what: "more blocks than the device, with a right checksum",
    base: "checksums",
    inflict(image) {
      image.set32(SUPERBLOCK + 4, image.u32(SUPERBLOCK + 4) + 1);
      image.fixSuperblock();
    },
  },
  {
    kind: "group-descriptor-checksum",
    what: "another count of free inodes",
    base: "checksums",
    inflict: (image) => image.flip(image.descriptorAt() + 0xe),
  },
  {
    kind: "group-descriptor-location",
    what: "the inode table past the end",
    base: "plain",
    inflict: (image) => image.set32(image.descriptorAt() + 8, NOWHERE),
  },
  {
    kind: "block-range",
    what: "attributes past the end",
    base: "plain",
    inflict: (image) => image.set32(image.field("plain/blocks", "fileAclLo"), NOWHERE),
  },
  {
    kind: "inode-number",
    what: "a name that leads to a quota file",
    base: "plain",
    inflict: (image) => image.set32(SUPERBLOCK + 0x240, image.inode("plain/blocks").ino),
  },
  {
    kind: "inode-checksum",
    what: "another owner",
    base: "checksums",
    inflict: (image) => image.flip(image.field("plain/small", "uidLo")),
  },
  {
    kind: "inode-deleted",
    what: "a name that leads to an inode without links",
    base: "plain",
    inflict: (image) => image.set16(image.field("plain/blocks", "linksCount"), 0),
  },
  {
    kind: "inode-geometry",
    what: "extra fields longer than the inode",
    base: "plain",
    inflict: (image) => image.set16(image.field("plain/blocks", "extraInodeSize"), 0xfff0),
  },
  {
    kind: "inode-type",
    what: "no file type",
    base: "plain",
    inflict: (image) => image.set16(image.field("plain/blocks", "mode"), 0o644),
  },
  {
    kind: "extent-header",
    what: "no magic number in the inode",
    base: "plain",
    inflict: (image) => image.set16(image.pointer("plain/blocks", 0), 0),
  },
  {
    kind: "extent-checksum",
    what: "another generation in a leaf",
    base: "checksums",
    inflict: (image) => image.flip(extentLeaf(image, "plain/fragments") + 8),
  },
  {
    kind: "extent-order",
    what: "the second extent starts where the first does",
    base: "plain",
    inflict(image) {
      const second = extentLeaf(image, "plain/fragments") + 2 * EXTENT_ENTRY;
      image.set32(second, image.u32(second - EXTENT_ENTRY));
    },
  },
  {
    kind: "extent-range",
    what: "data past the end",
    base: "plain",
    inflict: (image) => image.set32(image.pointer("plain/blocks", 3) + 8, NOWHERE),
  },
  {
    kind: "extent-cycle",
    what: "an interior node that is its own child",
    base: "plain",
    inflict(image) {
      const node = extentLeaf(image, "plain/fragments");
      image.set16(image.pointer("plain/fragments", 0) + 6, 2);
      image.set16(node + 2, 1);
      image.set16(node + 6, 1);
      image.set32(node + EXTENT_ENTRY + 4, node / image.blockSize);
      image.set32(node + EXTENT_ENTRY + 8, 0);
    },
  },
  {
    kind: "indirect-range",
    what: "an indirect block past the end",
    base: "pointers",
    inflict: (image) => image.set32(image.pointer("plain/fragments", 12), NOWHERE),
  },
  {
    kind: "indirect-cycle",
    what: "a double indirect block that points to itself",
    base: "pointers",
    inflict(image) {
      const block = image.u32(image.pointer("plain/sparse", 13));
      for (let at = block * image.blockSize; at < (block + 1) * image.blockSize; at += 4) image.set32(at, block);
    },
  },
  {
    kind: "inline-data",
    what: "more contents than fit an inode",
    base: "plain",
    inflict: (image) => image.set32(image.field("plain/small", "sizeLo"), 5000),
  },
  {
    kind: "directory-entry",
    what: "a record longer than its block",
    base: "pointers",
    inflict: (image) => image.set16(entryAt(image, "plain", "blocks") + 4, 2000),
  },
  {
    kind: "directory-checksum",
    what: "another letter in a name",
    base: "checksums",
    inflict: (image) => image.flip(entryAt(image, "plain", "blocks") + 8),
  },
  {
    kind: "directory-hole",
    what: "a leaf that the index names has no block",
    base: "pointers",
    inflict: (image) => image.set32(image.pointer("indexed", 1), 0),
  },
  {
    kind: "htree-header",
    what: "an unknown hash",
    base: "checksums",
    inflict(image) {
      image.bytes[indexRoot(image) + 28] = 9;
      image.fixIndexBlock(image.inode("indexed").ino, indexRoot(image), INDEX_ROOT_ENTRIES);
    },
  },
  {
    kind: "htree-order",
    what: "a hash below the one before it",
    base: "checksums",
    inflict(image) {
      image.set32(indexRoot(image) + INDEX_ROOT_ENTRIES + 2 * INDEX_ENTRY, 2);
      image.fixIndexBlock(image.inode("indexed").ino, indexRoot(image), INDEX_ROOT_ENTRIES);
    },
  },
  {
    kind: "htree-order",
    what: "a leaf past the end of the directory",
    base: "checksums",
    inflict(image) {
      image.set32(indexRoot(image) + INDEX_ROOT_ENTRIES + INDEX_ENTRY + 4, 5000);
      image.fixIndexBlock(image.inode("indexed").ino, indexRoot(image), INDEX_ROOT_ENTRIES);
    },
  },
  {
    kind: "htree-checksum",
    what: "another hash in the index",
    base: "checksums",
    inflict: (image) => image.flip(indexRoot(image) + INDEX_ROOT_ENTRIES + INDEX_ENTRY),
  },
  {
    kind: "htree-cycle",
    what: "an index block below itself",
    base: "checksums",
    inflict(image) {
      const { ino } = image.inode("indexed");
      const root = indexRoot(image);
      image.set32(SUPERBLOCK + 0x60, image.u32(SUPERBLOCK + 0x60) | 0x4000); // large_dir: three levels
      image.fixSuperblock();
      image.bytes[root + 30] = 2;
      image.set16(root + INDEX_ROOT_ENTRIES + 2, 1);
      image.set32(root + INDEX_ROOT_ENTRIES + 4, 1);
      image.fixIndexBlock(ino, root, INDEX_ROOT_ENTRIES);
      const node = image.block("indexed", 1);
      image.bytes.fill(0, node, node + image.blockSize);
      image.set16(node + 4, image.blockSize);
      image.set16(node + 8, (image.blockSize - 8 - 8) / INDEX_ENTRY);
      image.set16(node + 10, 1);
      image.set32(node + 12, 1);
      image.fixIndexBlock(ino, node, 8);
    },
  },
  {
    kind: "xattr-header",
    what: "no magic number in a block of attributes",
    base: "plain",
    inflict: (image) => image.set32(xattrBlock(image, "plain/blocks"), 0),
  },
  {
    kind: "xattr-checksum",
    what: "another byte in a value",
    base: "checksums",
    inflict: (image) => image.flip(xattrBlock(image, "plain/blocks") + image.blockSize - 8),
  },
  {
    kind: "xattr-entry",
    what: "a value outside its block",
    base: "plain",
    inflict: (image) => image.set16(xattrBlock(image, "plain/blocks") + 32 + 2, 0xfff0),
  },
  {
    kind: "xattr-entry",
    what: "a value of 3 GiB in an inode that says the same",
    base: "checksums",
    inflict(image) {
      const entry = entryOfXattr(image, inodeXattrs(image, "plain/deep"), 1);
      const value = image.u32(entry + 4);
      image.set32(entry + 8, 0xc000_0000);
      image.set32(image.field(value, "sizeLo"), 0xc000_0000);
      image.fixInode(value);
      image.fixInode(image.inode("plain/deep").ino);
    },
  },
  {
    kind: "xattr-value-inode",
    what: "a value inode that is a file",
    base: "checksums",
    inflict(image) {
      const ino = image.u32(entryOfXattr(image, inodeXattrs(image, "plain/deep"), 1) + 4);
      image.set32(image.field(ino, "flags"), image.u32(image.field(ino, "flags")) & ~0x20_0000);
      image.fixInode(ino);
    },
  },
  {
    kind: "acl-format",
    what: "an ACL of version 7",
    base: "pointers",
    inflict(image) {
      const block = xattrBlock(image, "plain/small");
      const entry = entryOfXattr(image, block + 32, 2);
      image.set32(block + image.u16(entry + 2), 7);
    },
  },
  {
    kind: "symlink-target",
    what: "a target that ends before its size",
    base: "plain",
    inflict: (image) => image.set32(image.field("plain/deep/fast", "sizeLo"), 50),
  },
  {
    kind: "symlink-target",
    what: "a target without a block",
    base: "plain",
    inflict: (image) => image.set16(image.pointer("plain/deep/slow", 0) + 2, 0),
  },
  {
    kind: "journal-superblock",
    what: "another block size",
    base: "journal",
    inflict: (image) => image.view.setUint32(journalBlock(image, 0) + 0xc, 4096),
  },
  {
    kind: "journal-inode",
    what: "a journal of ten blocks, and no copy of its inode",
    base: "journal",
    inflict(image) {
      image.bytes[SUPERBLOCK + 0xfd] = 0; // s_jnl_backup_type
      image.set32(image.field(JOURNAL, "sizeLo"), 10 * image.blockSize);
    },
  },
  {
    kind: "journal-block",
    what: "a tag for a block past the end",
    base: "journal",
    inflict: (image) => image.view.setUint32(journalBlock(image, 1) + 12, NOWHERE),
  },
  {
    kind: "journal-checksum",
    what: "another number in a tag",
    base: "journal with checksums",
    inflict: (image) => image.flip(journalBlock(image, 1) + 12 + 3),
  },
  {
    kind: "orphan-list",
    what: "an orphan that leads to itself",
    base: "plain",
    inflict(image) {
      const { ino } = image.inode("plain/blocks");
      image.set32(SUPERBLOCK + 0xe8, ino);
      image.set32(image.field(ino, "dtime"), ino);
    },
  },
  {
    kind: "block-bitmap",
    what: "another bit than the checksum says",
    base: "groups with checksums",
    inflict(image) {
      const group = Math.floor(image.block("d/blocks", 0) / image.blockSize / image.fs.geometry.blocksPerGroup);
      const descriptor = image.descriptorAt() + group * image.fs.geometry.descriptorSize;
      image.flip(image.u32(descriptor) * image.blockSize + 120);
    },
  },
  {
    kind: "inode-bitmap",
    what: "another bit than the checksum says",
    base: "groups with checksums",
    // In every group: which of them anything happens to depends on the random numbers of the image.
    inflict(image) {
      for (let group = 0; group < image.fs.geometry.groupCount; group++) {
        const descriptor = image.descriptorAt() + group * image.fs.geometry.descriptorSize;
        image.flip(image.u32(descriptor + 4) * image.blockSize);
      }
    },
  },
  {
    kind: "group-descriptor-location",
    what: "an inode bitmap in the descriptor table",
    base: "quota",
    inflict: (image) => image.set32(image.descriptorAt() + 4, image.descriptorAt() / image.blockSize),
  },
  {
    kind: "quota-file",
    what: "no magic number",
    base: "quota",
    inflict: (image) => image.set32(image.block(image.fs.inode(USER_QUOTA), 0), 0),
  },
  {
    kind: "mmp",
    what: "no magic number",
    base: "two writers",
    inflict: (image) => image.set32(image.u32(SUPERBLOCK + 0x168) * image.blockSize, 0),
  },
];
