import { type ConfigReply, type Configuration, configure, isBlockSize } from "../config.js";
import { DeviceRegistry } from "../devices.js";
import type { Counters, FileAttributes, FileRange, IomapConnection, IomapFile, IomapOptions } from "../door.js";
import { EDEADLK, EINVAL, EIO, ENOSYS, EOPNOTSUPP } from "../errno.js";
import type { Mapping } from "../mapping.js";
import type { FileIdentity, IomapServer } from "../server.js";
import { FileState } from "./file-state.js";
import { Machinery } from "./machinery.js";
import { OpenFile } from "./open-file.js";

/**
 * A host for a server of all fuse-iomap.
 *
 * @param devices may be given when the server has registered its devices already
 */
export function connectIomap<F extends FileIdentity>(
  server: IomapServer<F>,
  options: IomapOptions = {},
  devices = new DeviceRegistry(),
): IomapConnection<F> {
  return new Connection(server, devices, options);
}

class Connection<F extends FileIdentity> implements IomapConnection<F> {
  readonly devices: DeviceRegistry;
  readonly #parts: Machinery<F>;
  readonly #doors = new Map<number, OpenFile<F>>();

  constructor(server: IomapServer<F>, devices: DeviceRegistry, options: IomapOptions) {
    this.devices = devices;
    this.#parts = new Machinery(server, devices, options, (nodeid) => this.#doors.delete(nodeid));
  }

  get counters(): Readonly<Counters> {
    return this.#parts.context.counters;
  }

  get configuration(): Readonly<Configuration> {
    return this.#parts.context.configuration;
  }

  get maxBytes(): number {
    return this.#parts.context.configuration.maxBytes;
  }

  configure(reply: ConfigReply | number): number {
    const fits = typeof reply === "number" || (reply.blockSize ?? 0) <= this.#parts.pages.pageBytes;
    const failure = fits ? configure(this.#parts.context.configuration, reply) : -EINVAL;
    if (failure !== 0) this.abort();
    return failure;
  }

  open(identity: F, attributes: FileAttributes): IomapFile<F> {
    const there = this.#doors.get(identity.nodeid);
    if (there !== undefined) return there;
    const { context, files } = this.#parts;
    const asked = attributes.blockSize ?? context.configuration.blockSize;
    const known = isBlockSize(asked) && asked <= this.#parts.pages.pageBytes;
    const file = new FileState(
      identity,
      known ? attributes : { ...attributes, blockSize: context.configuration.blockSize },
      context,
    );
    if (!known)
      context.onError(new Error(`inode ${identity.ino} has blocks of ${asked} bytes, which is no block size`));
    const door = new OpenFile(file, this.#parts);
    files.set(identity.nodeid, file);
    this.#doors.set(identity.nodeid, door);
    return door;
  }

  file(nodeid: number): IomapFile<F> | undefined {
    return this.#doors.get(nodeid);
  }

  upsert(nodeid: number, ino: number, read: Readonly<Mapping>, write: Readonly<Mapping>): number {
    return this.#parts.notifications.upsert(nodeid, ino, read, write);
  }

  invalidate(nodeid: number, ino: number, read: FileRange, write: FileRange): number {
    return this.#parts.notifications.invalidate(nodeid, ino, read, write);
  }

  invalidateDevice(dev: number, offset: number, length: number, reserved = 0): number {
    return this.#parts.notifications.invalidateDevice(dev, offset, length, reserved);
  }

  sync(): number {
    const { context, files, writeback } = this.#parts;
    if (context.server.isAsking) return -EDEADLK;
    let failure = 0;
    for (const file of files.values()) failure ||= writeback.flush(file);
    return failure || context.server.syncFs();
  }

  freeze(unlinked: number): number {
    const failure = this.sync();
    if (failure !== 0) return failure;
    const answer = this.#parts.context.server.freeze(unlinked);
    if (answer === -ENOSYS) return -EOPNOTSUPP;
    if (answer === 0) this.#parts.isFrozen = true;
    return answer;
  }

  thaw(): number {
    this.#parts.isFrozen = false;
    return this.#parts.context.server.thaw();
  }

  abort(): void {
    this.#parts.context.server.abort();
  }

  get isAborted(): boolean {
    return this.#parts.context.server.isAborted;
  }

  close(): number {
    if (this.#parts.context.server.isAsking) return -EDEADLK;
    let failure = 0;
    for (const file of [...this.#parts.files.values()]) failure = this.#parts.evict(file) || failure;
    if (failure === 0 && this.isAborted) return -EIO;
    return failure || this.#parts.context.server.syncFs();
  }
}
