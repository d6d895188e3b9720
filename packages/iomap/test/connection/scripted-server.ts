/** A server that answers what a test says, and remembers what it was asked. */
import {
  connectIomap,
  type FileAttributes,
  type FileIdentity,
  type HostDevice,
  type Ioend,
  type IomapOptions,
  type IomapServer,
  Mapping,
  MappingType,
  NULL_ADDR,
} from "@bulkhead/iomap";

export const BLOCK = 4096;

export type Slot = [type: number, offset: number, length: number, addr: number, dev: number, flags?: number];

export const { hole, delalloc, mapped, unwritten, inline, noCache, retryCache, pureOverwrite } = MappingType;
export const NONE = NULL_ADDR;

export interface Asked {
  readonly what: string;
  readonly pos?: number;
  readonly count?: number;
  readonly written?: number;
  readonly operation?: number;
  readonly type?: number;
  readonly flags?: number;
  readonly dev?: number;
  readonly error?: number;
  readonly newAddr?: number;
  readonly size?: number;
  readonly mode?: number;
  readonly offset?: number;
  readonly length?: number;
  readonly target?: number;
  readonly changes?: boolean;
}

export class ScriptedServer implements IomapServer<FileIdentity> {
  readonly asked: Asked[] = [];
  /** The slots of the next begins: the last stays. A number is an error. */
  answers: ([read: Slot, write: Slot] | number)[] = [];
  onBegin: (pos: number, count: number, operation: number) => void = () => {};
  endAnswer = 0;
  ioendAnswer: (ioend: Ioend) => number = ({ pos, written }) => pos + written;
  data: Uint8Array = new Uint8Array(0);
  sizeAnswer: ((size: number) => number) | undefined;
  fsyncAnswer = 0;
  readAnswer: number | undefined;
  writeAnswer: number | undefined;

  begin(_file: FileIdentity, pos: number, count: number, operation: number, read: Mapping, write: Mapping): number {
    this.asked.push({ what: "begin", pos, count, operation });
    this.onBegin(pos, count, operation);
    const answer = this.answers.length > 1 ? this.answers.shift()! : this.answers[0]!;
    if (typeof answer === "number") return answer;
    read.set(...answer[0]);
    write.set(...answer[1]);
    return 0;
  }

  end(_file: FileIdentity, pos: number, count: number, written: number, operation: number, map: Mapping): number {
    const { type, flags, dev } = map;
    this.asked.push({ what: "end", pos, count, written, operation, type, flags, dev });
    return this.endAnswer;
  }

  ioend(_file: FileIdentity, ioend: Ioend): number {
    const { flags, error, pos, written, dev, newAddr } = ioend;
    this.asked.push({ what: "ioend", flags, error, pos, written, dev, newAddr });
    return this.ioendAnswer(ioend);
  }

  readInline(_file: FileIdentity, pos: number, target: Uint8Array): number {
    this.asked.push({ what: "readInline", pos, count: target.length });
    const data = this.data.subarray(pos, pos + target.length);
    target.set(data);
    return this.readAnswer ?? data.length;
  }

  writeInline(_file: FileIdentity, pos: number, source: Uint8Array): number {
    this.asked.push({ what: "writeInline", pos, count: source.length });
    const count = this.writeAnswer ?? source.length;
    if (count > 0 && count <= source.length) {
      const grown = new Uint8Array(Math.max(this.data.length, pos + count));
      grown.set(this.data);
      grown.set(source.subarray(0, count), pos);
      this.data = grown;
    }
    return count;
  }

  setSize(_file: FileIdentity, size: number, changes: boolean): number {
    this.asked.push({ what: "setSize", size, changes });
    return this.sizeAnswer === undefined ? size : this.sizeAnswer(size);
  }

  fallocate(_file: FileIdentity, mode: number, offset: number, length: number): number {
    this.asked.push({ what: "fallocate", mode, offset, length });
    return 0;
  }

  copyRange(_from: FileIdentity, pos: number, _to: FileIdentity, target: number, length: number): number {
    this.asked.push({ what: "copyRange", pos, target, length });
    return length;
  }

  fsync(): number {
    this.asked.push({ what: "fsync" });
    return this.fsyncAnswer;
  }

  syncFs(): number {
    this.asked.push({ what: "syncFs" });
    return 0;
  }

  /** What was asked, of one kind or of all but begins. */
  of(...what: string[]): Asked[] {
    return this.asked.filter((one) => what.includes(one.what));
  }
}

export interface Stage {
  readonly server: ScriptedServer;
  readonly bytes: Uint8Array;
  readonly io: [string, number, number][];
  readonly errors: unknown[];
  readonly connection: ReturnType<typeof connectIomap<FileIdentity>>;
  readonly file: ReturnType<ReturnType<typeof connectIomap<FileIdentity>>["open"]>;
  /** Id of the device. */
  readonly dev: number;
  /** Makes transfers fail. */
  broken: boolean;
}

export const IDENTITY: FileIdentity = { nodeid: 7, ino: 70 };

/** A host with one device of 64 blocks and one file of `size` bytes. */
export function stage(
  attributes: Partial<FileAttributes> = {},
  options: IomapOptions = {},
  device: Partial<HostDevice> = {},
): Stage {
  const server = new ScriptedServer();
  const bytes = new Uint8Array(64 * BLOCK).fill(0xa5);
  const errors: unknown[] = [];
  const io: [string, number, number][] = [];
  const connection = connectIomap<FileIdentity>(server, {
    maxBytes: 2 ** 40,
    onError: (error) => errors.push(error),
    ...options,
  });
  const made = { server, bytes, io, errors, connection, broken: false };
  const dev = connection.devices.add({
    size: bytes.length,
    read(offset, target) {
      if (made.broken) throw new Error("unreadable");
      io.push(["read", offset, target.length]);
      target.set(bytes.subarray(offset, offset + target.length));
    },
    write(offset, source) {
      if (made.broken) throw new Error("worn out");
      io.push(["write", offset, source.length]);
      bytes.set(source, offset);
    },
    ...device,
  });
  const file = connection.open(IDENTITY, { size: 4 * BLOCK, ...attributes });
  return Object.assign(made, { dev, file });
}

/** A pure overwrite of the same range. */
export function plain(read: Slot): [Slot, Slot] {
  return [read, [pureOverwrite, read[1], read[2], NONE, 0]];
}

/** Puts mappings into the cache of the file, as the server's notification does. */
export function upsert({ connection }: Stage, read: Slot, write: Slot): number {
  return connection.upsert(IDENTITY.nodeid, IDENTITY.ino, mapping(read), mapping(write));
}

export function mapping(slot: Slot): Mapping {
  const made = new Mapping();
  made.set(...slot);
  return made;
}
