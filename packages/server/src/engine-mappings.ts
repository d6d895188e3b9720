import { type FileSystem, type Inode, isEngineError } from "@bulkhead/ext4";
import { type Mapping, type MappingServer, MappingType, NULL_ADDR, Operation } from "@bulkhead/iomap/in-process";

/** Operations during which an error must not throw away what was done before it: they answer in errnos. */
const WRITING = Operation.write | Operation.zero | Operation.unshare | Operation.writeback;

/** The engine as the iomap host's server, over a function call. */
export class EngineMappings implements MappingServer<Inode> {
  /** Whether whoever writes now may use the blocks reserved for the superuser. */
  privileged = false;
  readonly #fs: FileSystem;
  readonly #dev: number;
  readonly #toErrno: (error: unknown) => number;

  /** @param toErrno makes the errno of what the engine throws while a file is written */
  constructor(fs: FileSystem, dev: number, toErrno: (error: unknown) => number) {
    this.#fs = fs;
    this.#dev = dev;
    this.#toErrno = toErrno;
  }

  begin(inode: Inode, pos: number, count: number, operation: number, read: Mapping, write: Mapping): number {
    if ((operation & WRITING) === 0) {
      this.#map(inode, pos, count, operation, read, write);
      return 0;
    }
    try {
      this.#map(inode, pos, count, operation, read, write);
      return 0;
    } catch (error) {
      return this.#failure(error);
    }
  }

  #map(inode: Inode, pos: number, count: number, operation: number, read: Mapping, write: Mapping): void {
    if ((operation & Operation.report) === 0 && this.#fs.ownsData(inode)) {
      // Data that goes through the journal is the engine's to read and write, as inline data is, which may have to go there.
      const { blockSize } = this.#fs.geometry;
      const start = pos - (pos % blockSize);
      const length = Math.ceil((pos + count - start) / blockSize) * blockSize;
      read.set(MappingType.inline, start, length, NULL_ADDR, 0);
      write.set(MappingType.pureOverwrite, start, length, NULL_ADDR, 0);
      return;
    }
    this.#fs.iomapBegin(inode, pos, count, operation, read, this.privileged);
    if (read.type === MappingType.mapped || read.type === MappingType.unwritten) read.dev = this.#dev;
    write.set(MappingType.pureOverwrite, read.offset, read.length, NULL_ADDR, 0);
  }

  end(inode: Inode, pos: number, count: number, written: number, operation: number, mapping: Mapping): number {
    try {
      this.#fs.iomapEnd(inode, pos, count, written, operation, mapping);
      return 0;
    } catch (error) {
      return this.#failure(error);
    }
  }

  readInline(inode: Inode, pos: number, target: Uint8Array): number {
    if (this.#fs.journalsData(inode)) {
      this.#fs.readJournalled(inode, pos, target);
      return target.length;
    }
    const data = this.#fs.inlineData(inode);
    const length = Math.max(0, Math.min(target.length, data.length - pos));
    target.set(data.subarray(pos, pos + length));
    return length;
  }

  writeInline(inode: Inode, pos: number, source: Uint8Array): number {
    try {
      if (this.#fs.journalsData(inode)) return this.#fs.writeJournalled(inode, pos, source, this.privileged);
      return this.#fs.writeInline(inode, pos, source, this.privileged) ? source.length : 0;
    } catch (error) {
      return this.#failure(error);
    }
  }

  /** What the engine threw, as an answer. Anything else is a mistake of ours, and not to be hidden. */
  #failure(error: unknown): number {
    if (!isEngineError(error)) throw error;
    return -this.#toErrno(error);
  }
}
