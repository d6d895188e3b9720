/** The image zoo: every feature of ext2, ext3 and ext4 that a reader meets, each in an image that mke2fs made. */
import { type ImageVariant, MIB, TIB } from "./variant.js";

const BIG = { names: 50_000 };
const SMALL = { names: 600, extents: 400 };

/** `ext4` with other features than mke2fs's own defaults, which are spelt out so that no configuration changes them. */
const EXT4 =
  "has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize,filetype,dir_index,sparse_super,large_file,ext_attr,resize_inode";

function ext4(change = "", ...more: readonly string[]): string[] {
  const journal = change.includes("^has_journal") || more.includes("-J") ? [] : ["-J", "size=8"];
  return ["-t", "ext4", "-O", `none,${EXT4}${change === "" ? "" : `,${change}`}`, "-I", "256", ...journal, ...more];
}

/** debugfs changes of the superblock; mke2fs has no option for the signedness of the hash. */
const UNSIGNED_HASH = ["set_super_value flags 2"];
const SIGNED_HASH = ["set_super_value flags 1"];

export const VARIANTS: readonly ImageVariant[] = [
  {
    name: "ext4-4k",
    about: "mke2fs's defaults, with the 50,000-entry directory",
    size: 512 * MIB,
    mke2fs: ext4("", "-b", "4096"),
    fill: BIG,
  },
  {
    name: "ext4-1k",
    about: "1 KiB blocks: the first block is 1, and long names make an htree that takes large_dir",
    size: 512 * MIB,
    mke2fs: ext4("large_dir", "-b", "1024"),
    fill: { ...BIG, longNames: true },
  },
  { name: "ext4-2k", about: "2 KiB blocks", like: "ext4-1k", size: 256 * MIB, mke2fs: ext4("", "-b", "2048") },
  {
    name: "ext4-8k",
    about: "8 KiB blocks",
    like: "ext4-64k",
    size: 512 * MIB,
    mke2fs: ext4("", "-b", "8192"),
    rehash: true,
  },
  {
    name: "ext4-16k",
    about: "16 KiB blocks",
    like: "ext4-64k",
    size: 512 * MIB,
    mke2fs: ext4("", "-b", "16384", "-J", "size=16"),
    rehash: true,
  },
  {
    name: "ext4-32k",
    about: "32 KiB blocks",
    like: "ext4-64k",
    size: 1024 * MIB,
    mke2fs: ext4("", "-b", "32768", "-J", "size=32"),
    rehash: true,
  },
  {
    name: "ext4-64k",
    about: "64 KiB blocks",
    size: 2048 * MIB,
    mke2fs: ext4("", "-b", "65536", "-J", "size=64"),
    rehash: true,
  },
  {
    name: "ext2-1k",
    about: "ext2: indirect blocks, no journal, 128-byte inodes, triple indirection within 16 GiB",
    size: 256 * MIB,
    mke2fs: ["-t", "ext2", "-b", "1024", "-I", "128", "-O", "none,filetype,sparse_super,large_file,ext_attr"],
  },
  {
    name: "ext2-4k-dir-index",
    about: "ext2 with an htree and resize inode",
    like: "ext2-1k",
    size: 256 * MIB,
    mke2fs: [
      ...["-t", "ext2", "-b", "4096", "-I", "128", "-O"],
      "none,filetype,sparse_super,large_file,ext_attr,dir_index,resize_inode",
    ],
  },
  {
    name: "ext2-rev0",
    about: "the original revision: no features, fixed 128-byte inodes",
    size: 64 * MIB,
    mke2fs: ["-t", "ext2", "-r", "0", "-b", "1024", "-O", "none"],
    fill: SMALL,
  },
  {
    name: "ext2-no-filetype",
    about: "directory entries without a type, names' length in 16 bits",
    size: 128 * MIB,
    mke2fs: ["-t", "ext2", "-b", "4096", "-O", "none,sparse_super,large_file,ext_attr,dir_index"],
  },
  {
    name: "ext3-1k",
    about: "ext3: a journal, indirect blocks, htree",
    size: 256 * MIB,
    mke2fs: [
      ...["-t", "ext3", "-b", "1024", "-I", "128", "-J", "size=4", "-O"],
      "none,has_journal,filetype,sparse_super,large_file,ext_attr,dir_index,resize_inode",
    ],
  },
  {
    name: "ext3-4k-big",
    about: "ext3 with 256-byte inodes and the 50,000-entry directory",
    like: "ext3-1k",
    size: 512 * MIB,
    mke2fs: [
      ...["-t", "ext3", "-b", "4096", "-I", "256", "-J", "size=8", "-O"],
      "none,has_journal,filetype,sparse_super,large_file,ext_attr,dir_index,resize_inode,dir_nlink",
    ],
    fill: BIG,
  },
  { name: "no-extents", about: "ext4 without extents", size: 256 * MIB, mke2fs: ext4("^extent,^64bit", "-b", "1024") },
  { name: "no-64bit", about: "32-byte group descriptors", size: 256 * MIB, mke2fs: ext4("^64bit", "-b", "4096") },
  {
    name: "inline-data",
    about: "files and directories inside their inode",
    size: 256 * MIB,
    mke2fs: ext4("inline_data", "-b", "4096"),
  },
  {
    name: "inline-data-1k-inode",
    about: "inline data in inodes of 1 KiB",
    like: "inline-data",
    size: 256 * MIB,
    mke2fs: ext4("inline_data", "-b", "4096", "-I", "1024"),
  },
  {
    name: "no-dir-index",
    about: "linear directories only",
    size: 256 * MIB,
    mke2fs: ext4("^dir_index", "-b", "4096"),
  },
  {
    name: "hash-legacy",
    about: "htree by the legacy hash, signed",
    size: 256 * MIB,
    mke2fs: ext4("", "-b", "1024"),
    before: ["set_super_value def_hash_version legacy", ...SIGNED_HASH],
  },
  {
    name: "hash-legacy-unsigned",
    about: "htree by the legacy hash, unsigned",
    like: "hash-legacy",
    size: 256 * MIB,
    mke2fs: ext4("", "-b", "1024"),
    before: ["set_super_value def_hash_version legacy", ...UNSIGNED_HASH],
  },
  {
    name: "hash-half-md4-unsigned",
    about: "htree by half MD4, unsigned, as ARM makes it",
    size: 256 * MIB,
    mke2fs: ext4("", "-b", "1024"),
    before: ["set_super_value def_hash_version half_md4", ...UNSIGNED_HASH],
  },
  {
    name: "hash-tea",
    about: "htree by TEA, signed",
    size: 256 * MIB,
    mke2fs: ext4("", "-b", "1024"),
    before: ["set_super_value def_hash_version tea", ...SIGNED_HASH],
  },
  {
    name: "hash-tea-unsigned",
    about: "htree by TEA, unsigned",
    like: "hash-tea",
    size: 256 * MIB,
    mke2fs: ext4("", "-b", "1024"),
    before: ["set_super_value def_hash_version tea", ...UNSIGNED_HASH],
  },
  {
    name: "ea-inode",
    about: "xattr values of up to 64 KiB in inodes of their own",
    size: 256 * MIB,
    mke2fs: ext4("ea_inode", "-b", "4096"),
  },
  {
    name: "ea-inode-1k",
    about: "the same with 1 KiB blocks, where the value inodes have many blocks",
    like: "ea-inode",
    size: 256 * MIB,
    mke2fs: ext4("ea_inode", "-b", "1024"),
  },
  {
    name: "no-flex-bg",
    about: "each group's tables in the group",
    size: 512 * MIB,
    mke2fs: ext4("^flex_bg", "-b", "1024"),
  },
  {
    name: "flex-bg-64",
    about: "64 groups' tables together",
    size: 512 * MIB,
    mke2fs: ext4("", "-b", "1024", "-G", "64"),
    fill: SMALL,
  },
  {
    name: "meta-bg",
    about: "group descriptors spread over the meta groups",
    size: 1024 * MIB,
    mke2fs: ext4("meta_bg,^resize_inode", "-b", "1024"),
  },
  {
    name: "meta-bg-32",
    about: "meta groups with 32-byte descriptors, without flex_bg",
    like: "meta-bg",
    size: 1024 * MIB,
    mke2fs: ext4("meta_bg,^resize_inode,^64bit,^flex_bg", "-b", "1024"),
    fill: SMALL,
  },
  {
    name: "no-sparse-super",
    about: "a backup superblock in every group",
    size: 256 * MIB,
    mke2fs: ext4("^sparse_super,^resize_inode", "-b", "1024"),
    fill: SMALL,
  },
  {
    name: "sparse-super2",
    about: "two backup superblocks at most",
    size: 256 * MIB,
    mke2fs: ext4("sparse_super2,^sparse_super,^resize_inode", "-b", "1024"),
    fill: SMALL,
  },
  {
    name: "bigalloc-16k",
    about: "clusters of four blocks",
    size: 512 * MIB,
    mke2fs: ext4("bigalloc,^resize_inode", "-b", "4096", "-C", "16384"),
  },
  {
    name: "bigalloc-64k-1k",
    about: "clusters of 64 blocks of 1 KiB",
    size: 1024 * MIB,
    mke2fs: ext4("bigalloc,^resize_inode", "-b", "1024", "-C", "65536"),
    fill: SMALL,
  },
  {
    name: "bigalloc-1m",
    about: "clusters of 1 MiB",
    like: "bigalloc-16k",
    size: 4096 * MIB,
    mke2fs: ext4("bigalloc,^resize_inode", "-b", "4096", "-C", "1048576"),
    fill: { names: 600, extents: 300 },
  },
  {
    name: "no-huge-file",
    about: "32-bit block counts in units of 512 bytes",
    size: 256 * MIB,
    mke2fs: ext4("^huge_file", "-b", "4096"),
    fill: SMALL,
  },
  {
    name: "gdt-csum",
    about: "CRC-16 of group descriptors, uninitialized groups, no metadata_csum",
    size: 512 * MIB,
    mke2fs: ext4("^metadata_csum,uninit_bg", "-b", "1024"),
  },
  {
    name: "no-csum",
    about: "no checksum at all",
    size: 256 * MIB,
    mke2fs: ext4("^metadata_csum,^64bit", "-b", "4096"),
  },
  {
    name: "csum-seed",
    about: "checksums seeded by the superblock instead of the UUID, which has changed since",
    size: 256 * MIB,
    mke2fs: ext4("metadata_csum_seed", "-b", "1024"),
    before: ["set_super_value uuid 0f0e0d0c-0b0a-4908-8706-050403020100"],
  },
  { name: "mmp", about: "multiple mount protection", size: 128 * MIB, mke2fs: ext4("mmp", "-b", "4096"), fill: SMALL },
  {
    name: "quota-project",
    about: "user, group and project quota in hidden inodes",
    size: 256 * MIB,
    mke2fs: ext4("", "-b", "4096"),
    tune2fsAfter: ["-O", "quota,project", "-Q", "usrquota,grpquota,prjquota"],
    after: ["set_inode_field /flags/project projid 123456"],
  },
  {
    name: "orphan-file",
    about: "orphans in a file instead of a list",
    size: 256 * MIB,
    mke2fs: ext4("orphan_file", "-b", "4096"),
    fill: SMALL,
  },
  {
    name: "verity",
    about: "a file under fs-verity: its tree and descriptor behind its end, its data readable",
    size: 256 * MIB,
    mke2fs: ext4("verity", "-b", "4096"),
    fill: SMALL,
    extra: "verity",
    after: [
      "set_inode_field /verity/small size 5000",
      "set_inode_field /verity/small flags 0x180000",
      "set_inode_field /verity/big size 200000",
      "set_inode_field /verity/big flags 0x180000",
    ],
    truth: ["set_inode_field /verity/small flags 0x80000", "set_inode_field /verity/big flags 0x80000"],
  },
  {
    name: "casefold",
    about: "case-insensitive directories, linear and indexed, beside ordinary ones",
    size: 256 * MIB,
    mke2fs: ext4("casefold", "-b", "4096", "-E", "encoding=utf8"),
    before: ["feature -casefold"],
    fill: SMALL,
    extra: "casefold",
    after: [
      "feature casefold",
      "set_inode_field /folded flags 0x40080000",
      "set_inode_field /folded-big flags 0x40081000",
    ],
    rehash: true,
    truth: ["set_inode_field /folded flags 0x80000", "set_inode_field /folded-big flags 0x80000", "feature -casefold"],
  },
  {
    name: "encrypt",
    about: "directories, files and links under an encryption policy, seen without the key",
    size: 256 * MIB,
    mke2fs: ext4("encrypt,stable_inodes", "-b", "4096"),
    fill: SMALL,
    extra: "encryption",
  },
  {
    name: "shared-blocks",
    about: "the flag of images whose files share blocks: never writable",
    size: 128 * MIB,
    mke2fs: ext4("", "-b", "4096"),
    after: ["feature shared_blocks"],
    fill: SMALL,
  },
  {
    name: "inode-128",
    about: "inodes without extra fields: seconds only, no in-inode xattrs",
    size: 256 * MIB,
    mke2fs: ext4("^extra_isize", "-b", "4096", "-I", "128"),
  },
  { name: "inode-512", about: "inodes of 512 bytes", size: 256 * MIB, mke2fs: ext4("", "-b", "4096", "-I", "512") },
  {
    name: "inode-1024",
    about: "inodes of a block",
    like: "inode-512",
    size: 256 * MIB,
    mke2fs: ext4("", "-b", "1024", "-I", "1024"),
    fill: SMALL,
  },
  {
    name: "raid-stride",
    about: "stride and stripe width",
    like: "ext4-4k",
    size: 512 * MIB,
    mke2fs: ext4("", "-b", "1024", "-E", "stride=16,stripe_width=64"),
    fill: SMALL,
  },
  {
    name: "in-gpt",
    about: "the second partition of a GPT disk",
    size: 128 * MIB,
    mke2fs: ext4("", "-b", "4096"),
    partition: "gpt",
    fill: SMALL,
  },
  {
    name: "in-mbr",
    about: "a primary partition of an MBR disk, 1 KiB blocks",
    size: 128 * MIB,
    mke2fs: ext4("", "-b", "1024"),
    partition: "mbr",
    fill: SMALL,
  },
  {
    name: "no-journal",
    about: "ext4 without a journal",
    size: 256 * MIB,
    mke2fs: ext4("^has_journal", "-b", "4096"),
  },
  {
    name: "small-journal",
    about: "the smallest journal, of 1 KiB blocks, and fast commits",
    size: 128 * MIB,
    mke2fs: ext4("fast_commit", "-b", "1024", "-J", "size=2"),
    fill: SMALL,
  },
  {
    name: "reserved",
    about: "blocks reserved for another user, few inodes of a big ratio",
    like: "ext4-4k",
    size: 256 * MIB,
    mke2fs: ext4("", "-b", "4096", "-m", "20", "-i", "32768"),
    tune2fs: ["-u", "1234", "-g", "56789"],
    fill: SMALL,
  },
  {
    name: "no-ext-attr",
    about: "without the xattr feature",
    size: 256 * MIB,
    mke2fs: ext4("^ext_attr", "-b", "4096"),
    fill: SMALL,
  },
  {
    name: "no-resize-inode",
    about: "no descriptor blocks set aside",
    like: "ext4-4k",
    size: 256 * MIB,
    mke2fs: ext4("^resize_inode", "-b", "1024"),
    fill: SMALL,
  },
  {
    name: "deep-extents",
    about: "an extent tree of depth 3: 30,000 extents in blocks of 1 KiB",
    size: 512 * MIB,
    mke2fs: ext4("", "-b", "1024"),
    fill: { names: 600, extents: 30_000 },
  },
  {
    name: "beyond-16t",
    about: "17 TiB: block numbers beyond 32 bits",
    size: 17 * TIB,
    mke2fs: ext4("^resize_inode", "-b", "4096", "-E", "lazy_itable_init=1,nodiscard", "-i", "16777216"),
    fill: SMALL,
    // Near its inode is where the allocator looks first then, and with optimised scanning where it likes.
    mountOptions: ["mb_optimize_scan=0"],
    extra: "far",
    enormous: true,
  },
];

/** The variant of a name; throws when the zoo has none. */
export function findVariant(name: string): ImageVariant {
  const variant = VARIANTS.find((candidate) => candidate.name === name);
  if (variant === undefined) throw new Error(`the zoo has no image ${name}`);
  return variant;
}
