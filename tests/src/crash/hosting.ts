/** The engine as the workloads use it: with a host that does the file I/O, in a world that repeats itself. */
import { type BlockDevice, type Environment, type FileSystem, type Inode, RecordingDevice } from "@bulkhead/ext4";
import { type Mapping, type MappingServer, MappingType, NULL_ADDR } from "@bulkhead/iomap";

/** Bytes that one call writes through the journal: so few that it is one step. */
const JOURNALLED_STEP = 16 * 1024;

/** Time that stands still, and random numbers that are always the same: a failure happens again. */
export function steadyEnvironment(): Environment {
  let state = 1;
  return {
    clock: { now: () => ({ seconds: 1_700_000_000, nanoseconds: 0 }) },
    random: {
      fill(target) {
        for (let at = 0; at < target.length; at++) {
          state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
          target[at] = state >>> 24;
        }
      },
    },
    log() {},
  };
}

/** The bytes that a file holds at each offset: who reads them knows whose they are. */
export function bytesOfFile(node: number, version: number, pos: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(length);
  const first = Math.floor(pos / 16) * 16;
  for (let at = first; at < pos + length; at += 16) {
    const word = `<f${node}.${version}.${at}`.padEnd(15, "_").concat(">");
    for (let n = 0; n < 16; n++) if (at + n >= pos && at + n < pos + length) bytes[at + n - pos] = word.charCodeAt(n);
  }
  return bytes;
}

/** The device that a workload runs on: everything is on record; it takes discards. */
export function recorded(device: BlockDevice): RecordingDevice {
  return new RecordingDevice(device);
}

/** @param arrived is told of data that is in the file now */
export function mappingsOf(fs: FileSystem, arrived: (pos: number, written: number) => void): MappingServer<Inode> {
  return {
    begin: (inode, pos, count, operation, read: Mapping, write: Mapping) => {
      if (fs.journalsData(inode)) {
        const { blockSize } = fs.geometry;
        const start = pos - (pos % blockSize);
        const blocks = Math.ceil((pos - start + Math.min(count, JOURNALLED_STEP)) / blockSize);
        read.set(MappingType.inline, start, blocks * blockSize, NULL_ADDR, 0);
        write.set(MappingType.pureOverwrite, read.offset, read.length, NULL_ADDR, 0);
        return 0;
      }
      fs.iomapBegin(inode, pos, count, operation, read);
      write.set(MappingType.pureOverwrite, read.offset, read.length, NULL_ADDR, 0);
      return 0;
    },
    end: (inode, pos, count, written, operation, mapping) => {
      fs.iomapEnd(inode, pos, count, written, operation, mapping);
      arrived(pos, written);
      return 0;
    },
    readInline: (inode, pos, target) => {
      if (fs.journalsData(inode)) {
        fs.readJournalled(inode, pos, target);
        return target.length;
      }
      const data = fs.inlineData(inode).subarray(pos, pos + target.length);
      target.set(data);
      return data.length;
    },
    writeInline: (inode, pos, source) => {
      if (!fs.journalsData(inode)) {
        if (!fs.writeInline(inode, pos, source)) return 0;
        arrived(pos, source.length);
        return source.length;
      }
      const transaction = fs.volume.transactions!.tid;
      const written = fs.writeJournalled(inode, pos, source);
      // One mapping after the other: what came before the next transaction may be there without the rest.
      if (fs.volume.transactions!.tid !== transaction) {
        const { blockSize } = fs.geometry;
        for (let end = blockSize - (pos % blockSize); end < written; end += blockSize) arrived(pos, end);
      }
      if (written > 0) arrived(pos, written);
      return written;
    },
  };
}
