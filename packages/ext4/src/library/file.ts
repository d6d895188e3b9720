import { FileSystemError } from "../errors.js";
import type { FileSystem } from "../filesystem.js";
import type { Inode } from "../inode/inode.js";
import { type IomapMapping, NULL_ADDR } from "../iomap/begin.js";
import { MappingType } from "../map/mapping.js";

/** A range of a file's bytes and where it lies. */
export interface FileExtent {
  readonly kind: "hole" | "data" | "unwritten" | "inline";
  /** Byte offset in the file, a multiple of the block size. */
  readonly offset: number;
  /** Bytes, a multiple of the block size; the last one may reach past the end of the file. */
  readonly length: number;
  /** Byte address on the device; undefined for holes and inline data. */
  readonly address: number | undefined;
}

/** fuse-iomap's REPORT. */
const REPORT = 4;

/**
 * A regular file, opened for reading: a host of the engine in small. The engine says where the bytes lie, and this reads them
 * from the device. Holds no state but the inode, and needs no closing.
 */
export class Ext4File {
  readonly inode: Inode;
  readonly #fs: FileSystem;
  readonly #mapping: IomapMapping = { type: 0, flags: 0, offset: 0, length: 0, addr: NULL_ADDR, dev: 0 };

  /** @throws FileSystemError EISDIR, EINVAL (neither file nor directory), ENOKEY (encrypted) */
  constructor(fs: FileSystem, inode: Inode) {
    if (inode.isDirectory) throw new FileSystemError("EISDIR", `inode ${inode.ino} is a directory`);
    if (!inode.isRegular) throw new FileSystemError("EINVAL", `inode ${inode.ino} is no regular file`);
    fs.checkReadable(inode);
    this.inode = inode;
    this.#fs = fs;
  }

  /** Bytes. */
  get size(): number {
    return this.inode.size;
  }

  /**
   * Reads up to `target.length` bytes at byte `position`; fewer only at the end of the file.
   *
   * @returns bytes read, 0 at or past the end
   * @throws FileSystemError EINVAL for a position that is none; CorruptionError, DeviceError
   */
  read(position: number, target: Uint8Array): number {
    if (!(Number.isSafeInteger(position) && position >= 0)) throw new FileSystemError("EINVAL", `position ${position}`);
    const wanted = Math.min(target.length, this.size - position);
    for (let done = 0; done < wanted; ) done += this.#readMapping(position + done, target, done, wanted - done);
    return Math.max(0, wanted);
  }

  /** Reads as much of `count` bytes at `pos` as one mapping covers. */
  #readMapping(pos: number, target: Uint8Array, at: number, count: number): number {
    const mapping = this.#mapping;
    this.#fs.iomapBegin(this.inode, pos, count, 0, mapping);
    const skipped = pos - mapping.offset;
    const length = Math.min(count, mapping.length - skipped);
    const window = target.subarray(at, at + length);
    switch (mapping.type) {
      case MappingType.mapped:
        this.#fs.device.read(mapping.addr + skipped, window);
        break;
      case MappingType.inline:
        window.set(this.#fs.inlineData(this.inode).subarray(pos, pos + length));
        break;
      default:
        window.fill(0);
    }
    return length;
  }

  /** The file's extents in order, holes included, up to the end of the file; neighbours that continue each other are one. */
  *extents(): Generator<FileExtent, void, undefined> {
    for (let pos = 0; pos < this.size; ) {
      const extent = this.#extentAt(pos);
      yield extent;
      pos = extent.offset + extent.length;
    }
  }

  /**
   * The first offset from `offset` on that has data (SEEK_DATA), undefined when only a hole follows. Unwritten extents are
   * holes.
   */
  seekData(offset: number): number | undefined {
    return this.#seek(offset, true);
  }

  /** The first offset from `offset` on that lies in a hole (SEEK_HOLE); the end of the file is one. Undefined past the end. */
  seekHole(offset: number): number | undefined {
    return offset < this.size ? (this.#seek(offset, false) ?? this.size) : undefined;
  }

  #seek(offset: number, data: boolean): number | undefined {
    for (let pos = offset; pos < this.size; ) {
      const extent = this.#extentAt(pos);
      if ((extent.kind === "data" || extent.kind === "inline") === data) return pos;
      pos = extent.offset + extent.length;
    }
    return undefined;
  }

  #extentAt(pos: number): FileExtent {
    const mapping = this.#mapping;
    this.#fs.iomapBegin(this.inode, pos, Math.max(1, this.size - pos), REPORT, mapping);
    return {
      kind: kindOf(mapping.type),
      offset: mapping.offset,
      length: mapping.length,
      address: mapping.addr === NULL_ADDR ? undefined : mapping.addr,
    };
  }
}

function kindOf(type: number): FileExtent["kind"] {
  switch (type) {
    case MappingType.mapped:
      return "data";
    case MappingType.unwritten:
      return "unwritten";
    case MappingType.inline:
      return "inline";
    default:
      return "hole";
  }
}
