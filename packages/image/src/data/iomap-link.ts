import type { FuseClient } from "@bulkhead/fuse/client";
import {
  type DecodedReply,
  Fattr,
  FsyncFlag,
  FuseIomapDevInvalOut,
  FuseIomapInvalMappingsOut,
  type FuseIomapIo,
  FuseIomapUpsertMappingsOut,
  notifications,
} from "@bulkhead/fuse/protocol";
import {
  type ConfigReply,
  type FileIdentity,
  type Ioend,
  type IoendQuestion,
  type IomapConnection,
  type IomapServer,
  Mapping,
  NULL_ADDR,
} from "@bulkhead/iomap";
import type { View } from "@bulkhead/linux/struct";

const ALL_FIELDS = 0x7f;
const LARGEST_CACHE = 262_144;
const EIO = -5;
const ROOT = 1;

/** A server of fuse-iomap at the other end of a FUSE connection. */
export class IomapLink implements IomapServer<FileIdentity> {
  readonly #client: FuseClient;

  constructor(client: FuseClient) {
    this.#client = client;
  }

  /** Asks for the file system's configuration; a negative errno if that is the answer. */
  config(): ConfigReply | number {
    const request = { flags: ALL_FIELDS, maxbytes: Number.MAX_SAFE_INTEGER, cache_maxbytes: LARGEST_CACHE };
    const { error, out } = this.#client.call("IOMAP_CONFIG", 0, { request });
    const [reply] = out;
    if (error !== 0 || reply === undefined) return error === 0 ? EIO : error;
    const end = reply.s_id.indexOf(0);
    return {
      flags: reply.flags,
      sid: Buffer.from(reply.s_id.subarray(0, end < 0 ? undefined : end)).toString(),
      uuid: reply.s_uuid.slice(),
      uuidLength: reply.s_uuid_len,
      padIsZero: reply.s_pad.every((byte) => byte === 0),
      blockSize: reply.s_blocksize,
      maxLinks: reply.s_max_links,
      timeGranularity: reply.s_time_gran,
      timeMin: reply.s_time_min,
      timeMax: reply.s_time_max,
      maxBytes: reply.s_maxbytes,
      cacheMaxBytes: reply.cache_maxbytes,
    };
  }

  begin(
    { nodeid, ino }: FileIdentity,
    pos: number,
    count: number,
    opflags: number,
    read: Mapping,
    write: Mapping,
  ): number {
    const request = { opflags: opflags >>> 0, attr_ino: ino, pos, count };
    const { error, out } = this.#client.call("IOMAP_BEGIN", nodeid, { request });
    const [reply] = out;
    if (error !== 0 || reply === undefined) return error === 0 ? EIO : error;
    decode(reply.read, read);
    decode(reply.write, write);
    return 0;
  }

  end(
    { nodeid, ino }: FileIdentity,
    pos: number,
    count: number,
    written: number,
    opflags: number,
    mapping: Readonly<Mapping>,
  ): number {
    const { type, flags, offset, length, addr, dev } = mapping;
    const where = addr === NULL_ADDR ? { addrLo: 0xffff_ffff, addrHi: 0xffff_ffff } : { addr };
    const map = { offset, length, ...where, type, flags, dev };
    const request = { opflags: opflags >>> 0, attr_ino: ino, pos, count, written, map };
    return this.#client.call("IOMAP_END", nodeid, { request }).error;
  }

  ioend(file: FileIdentity, ioend: Ioend): number {
    return newSize(this.#client.call("IOMAP_IOEND", file.nodeid, ioendParts(file, ioend)));
  }

  ioends(questions: readonly IoendQuestion<FileIdentity>[], answers: number[]): void {
    const asked = questions.map(({ file, ioend }) => ({ nodeid: file.nodeid, parts: ioendParts(file, ioend) }));
    this.#client.callAll("IOMAP_IOEND", asked, (index, reply) => {
      answers[index] = newSize(reply);
    });
  }

  readInline({ nodeid }: FileIdentity, offset: number, target: Uint8Array): number {
    const size = Math.min(target.length, this.#client.maxRead);
    const { error, data } = this.#client.call("READ", nodeid, { request: { offset, size } });
    if (error !== 0) return error;
    target.set(data);
    return data.length;
  }

  writeInline({ nodeid }: FileIdentity, offset: number, source: Uint8Array): number {
    const data = source.subarray(0, this.#client.agreed.maxWrite);
    const { error, out } = this.#client.call("WRITE", nodeid, { request: { offset, size: data.length }, data });
    return error === 0 ? (out[0]?.size ?? 0) : error;
  }

  setSize({ nodeid }: FileIdentity, size: number, changes: boolean): number {
    const valid = Fattr.SIZE | (changes ? Fattr.MTIME | Fattr.MTIME_NOW : 0);
    const { error, out } = this.#client.call("SETATTR", nodeid, { request: { valid, size } });
    return error === 0 ? (out[0]?.attr.size ?? size) : error;
  }

  fallocate({ nodeid }: FileIdentity, mode: number, offset: number, length: number): number {
    return this.#client.call("FALLOCATE", nodeid, { request: { mode, offset, length } }).error;
  }

  fsync({ nodeid }: FileIdentity, dataOnly: boolean): number {
    const request = { fsync_flags: dataOnly ? FsyncFlag.FDATASYNC : 0 };
    return this.#client.call("FSYNC", nodeid, { request }).error;
  }

  syncFs(): number {
    return this.#client.call("SYNCFS", ROOT, {}).error;
  }
}

function ioendParts({ ino }: FileIdentity, { flags, error, pos, written, dev, newAddr }: Ioend) {
  const where = newAddr === NULL_ADDR ? { new_addrLo: 0xffff_ffff, new_addrHi: 0xffff_ffff } : { new_addr: newAddr };
  return { request: { flags, error, attr_ino: ino, pos, written, dev, ...where } };
}

function newSize({ error, out }: DecodedReply<"IOMAP_IOEND">): number {
  return error === 0 ? (out[0]?.newsize ?? 0) : error;
}

function decode(slot: View<typeof FuseIomapIo>, mapping: Mapping): void {
  const isNull = slot.addrLo === 0xffff_ffff && slot.addrHi === 0xffff_ffff;
  mapping.set(slot.type, slot.offset, slot.length, isNull ? NULL_ADDR : slot.addr, slot.dev, slot.flags);
}

/** Hands to a connection what its server says unasked; what makes no sense is dropped, as a kernel drops it. */
export function hear(connection: IomapConnection<FileIdentity>, code: number, payload: Uint8Array): void {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const { IOMAP_UPSERT_MAPPINGS, IOMAP_INVAL_MAPPINGS, IOMAP_DEV_INVAL } = notifications;
  if (code === IOMAP_UPSERT_MAPPINGS.code && payload.length === FuseIomapUpsertMappingsOut.size) {
    const said = FuseIomapUpsertMappingsOut.view(view, 0);
    const read = new Mapping();
    const write = new Mapping();
    decode(said.read, read);
    decode(said.write, write);
    connection.upsert(said.nodeid, said.attr_ino, read, write);
  } else if (code === IOMAP_INVAL_MAPPINGS.code && payload.length === FuseIomapInvalMappingsOut.size) {
    const { nodeid, attr_ino, read, write } = FuseIomapInvalMappingsOut.view(view, 0);
    connection.invalidate(nodeid, attr_ino, rangeOf(read), rangeOf(write));
  } else if (code === IOMAP_DEV_INVAL.code && payload.length === FuseIomapDevInvalOut.size) {
    const { dev, reserved, range } = FuseIomapDevInvalOut.view(view, 0);
    connection.invalidateDevice(dev, range.offset, range.length, reserved);
  }
}

function rangeOf({ offset, length }: { readonly offset: number; readonly length: number }) {
  return { offset, length };
}
