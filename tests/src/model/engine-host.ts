/** The engine with a host that does its file I/O, in this very process: what a mount is without the kernel. */
import * as fs from "node:fs";
import { errnoOf, FileDevice, FileSystem, type Inode, isEngineError } from "@bulkhead/ext4";
import { DeviceRegistry, IomapHost, type Mapping, type MappingServer, MappingType, NULL_ADDR } from "@bulkhead/iomap";
import { Announced } from "./announced.js";

/** Half of iomap that answers where; errors become errnos, mistakes stay what they are. */
class EngineServer implements MappingServer<Inode> {
  readonly #fs: FileSystem;

  constructor(fileSystem: FileSystem) {
    this.#fs = fileSystem;
  }

  begin(inode: Inode, pos: number, count: number, operation: number, read: Mapping, write: Mapping): number {
    return answer(() => {
      this.#fs.iomapBegin(inode, pos, count, operation, read);
      write.set(MappingType.pureOverwrite, read.offset, read.length, NULL_ADDR, 0);
      return 0;
    });
  }
  end(inode: Inode, pos: number, count: number, written: number, operation: number, mapping: Mapping): number {
    return answer(() => {
      this.#fs.iomapEnd(inode, pos, count, written, operation, mapping);
      return 0;
    });
  }
  readInline(inode: Inode, pos: number, target: Uint8Array): number {
    const data = this.#fs.inlineData(inode).subarray(pos, pos + target.length);
    target.set(data);
    return data.length;
  }
  writeInline(inode: Inode, pos: number, source: Uint8Array): number {
    return answer(() => (this.#fs.writeInline(inode, pos, source) ? source.length : 0));
  }
}

function answer(work: () => number): number {
  try {
    return work();
  } catch (error) {
    if (!isEngineError(error)) throw error;
    return -errnoOf(error);
  }
}

export interface EngineHost {
  readonly fs: FileSystem;
  readonly host: IomapHost<Inode>;
  close(): void;
}

const MOST_BYTES = 2 ** 44;

/** Mounts an image for writing, no kernel involved. */
export function openEngine(image: string): EngineHost {
  const fd = fs.openSync(image, "r+");
  const device = new FileDevice(fs, fd, { readOnly: false });
  const fileSystem = FileSystem.mount(device, { writable: true });
  fileSystem.volume.transactions?.onCommit(new Announced());
  const devices = new DeviceRegistry();
  fileSystem.deviceId = devices.add(fileSystem.device);
  const limits = { blockSize: fileSystem.geometry.blockSize, maxBytes: MOST_BYTES };
  const host = new IomapHost(new EngineServer(fileSystem), devices, limits, (error) => {
    throw error;
  });
  return {
    fs: fileSystem,
    host,
    close() {
      fileSystem.unmount();
      fileSystem.close();
    },
  };
}
