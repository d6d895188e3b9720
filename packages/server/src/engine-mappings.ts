import type { FileSystem, Inode } from "@bulkhead/ext4";
import { type Mapping, type MappingServer, MappingType, NULL_ADDR } from "@bulkhead/iomap";

/** The engine as the iomap host's server, over a function call. */
export class EngineMappings implements MappingServer<Inode> {
  readonly #fs: FileSystem;
  readonly #dev: number;

  constructor(fs: FileSystem, dev: number) {
    this.#fs = fs;
    this.#dev = dev;
  }

  begin(inode: Inode, pos: number, count: number, operation: number, read: Mapping, write: Mapping): number {
    this.#fs.iomapBegin(inode, pos, count, operation, read);
    if (read.type === MappingType.mapped || read.type === MappingType.unwritten) read.dev = this.#dev;
    write.set(MappingType.pureOverwrite, read.offset, read.length, NULL_ADDR, 0);
    return 0;
  }

  readInline(inode: Inode, pos: number, target: Uint8Array): number {
    const data = this.#fs.inlineData(inode);
    const length = Math.max(0, Math.min(target.length, data.length - pos));
    target.set(data.subarray(pos, pos + length));
    return length;
  }
}
