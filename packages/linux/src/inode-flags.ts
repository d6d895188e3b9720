import { ioctl } from "./ioctl.js";

/** Flags of FS_IOC_GETFLAGS and SETFLAGS, as chattr has them. */
export const InodeFlag = {
  SYNC: 0x8,
  IMMUTABLE: 0x10,
  APPEND: 0x20,
  NODUMP: 0x40,
  NOATIME: 0x80,
  INDEX: 0x1000,
  JOURNAL_DATA: 0x4000,
  NOTAIL: 0x8000,
  DIRSYNC: 0x10000,
  TOPDIR: 0x20000,
  EXTENTS: 0x80000,
  INLINE_DATA: 0x10000000,
  PROJINHERIT: 0x20000000,
  CASEFOLD: 0x40000000,
} as const;

/** `xflags` of FS_IOC_FSGETXATTR. */
export const ExtendedFlag = {
  IMMUTABLE: 0x8,
  APPEND: 0x10,
  SYNC: 0x20,
  NOATIME: 0x40,
  NODUMP: 0x80,
  PROJINHERIT: 0x200,
  EXTSIZE: 0x800,
} as const;

const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_IOC_GETVERSION = 0x80087601;
const FS_IOC_SETVERSION = 0x40087602;
const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;

/** The `InodeFlag` bits of an open file. ENOTTY: the file system has none. */
export function getInodeFlags(fd: number): number {
  return getWord(fd, FS_IOC_GETFLAGS);
}

/** Sets the `InodeFlag` bits of an open file. EOPNOTSUPP: one that this file cannot have. */
export function setInodeFlags(fd: number, flags: number): void {
  ioctl(fd, FS_IOC_SETFLAGS, word(flags));
}

/** The generation number of an open file's inode. */
export function getGeneration(fd: number): number {
  return getWord(fd, FS_IOC_GETVERSION);
}

export function setGeneration(fd: number, generation: number): void {
  ioctl(fd, FS_IOC_SETVERSION, word(generation));
}

/** struct fsxattr. */
export interface ExtendedAttributes {
  /** `ExtendedFlag` bits. */
  readonly flags: number;
  readonly extentSize: number;
  readonly extents: number;
  readonly project: number;
}

export function getExtendedAttributes(fd: number): ExtendedAttributes {
  const bytes = new Uint8Array(28);
  ioctl(fd, FS_IOC_FSGETXATTR, bytes);
  const view = new DataView(bytes.buffer);
  const u32 = (offset: number) => view.getUint32(offset, true);
  return { flags: u32(0), extentSize: u32(4), extents: u32(8), project: u32(12) };
}

/** Sets flags and project of an open file; what is not given stays. */
export function setExtendedAttributes(fd: number, change: Partial<ExtendedAttributes>): void {
  const { flags, extentSize, project } = { ...getExtendedAttributes(fd), ...change };
  const bytes = new Uint8Array(28);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, flags, true);
  view.setUint32(4, extentSize, true);
  view.setUint32(12, project, true);
  ioctl(fd, FS_IOC_FSSETXATTR, bytes);
}

function getWord(fd: number, request: number): number {
  const bytes = new Uint8Array(8); // the kernel writes an int where the request's number says long
  ioctl(fd, request, bytes);
  return new DataView(bytes.buffer).getUint32(0, true);
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
