import { close, Errno, fstat, LinuxError, pread, SocketOption, setSocketOption } from "@bulkhead/linux";
import {
  ARGUMENTS_FILE,
  decode,
  decodeArguments,
  encode,
  FUSE_DEVICE_FILE,
  HelloFlag,
  keeperFileName,
  LARGEST_ARGUMENTS,
  magicAt,
  PacketChannel,
  PROTOCOL_VERSION,
  packets,
  SMALLEST_PACKET,
} from "../protocol/index.js";

export interface ConnectionOptions {
  /** Milliseconds to wait for an answer of the helper, which may have to wait for a disk. Default 5 minutes. */
  readonly timeout?: number;
}

/** How to ask for a file. */
export interface FileRequest {
  /** `O_*`. */
  readonly flags: number;
  /** Only a block device (ENOTBLK otherwise), and with this block size in bytes, unless 0. */
  readonly blockDevice?: { readonly blockSize: number };
  /** `FileRequestFlag` bits. */
  readonly requestFlags?: number;
}

const TIMEOUT = 300_000;
const encoder = new TextEncoder();

/** The server's end: asks the mount helper for files and for the mount. Each call blocks until the helper has answered. */
export class ServiceConnection {
  /** What the caller may do, as the helper says. */
  readonly callerMay: { readonly allowOther: boolean; readonly fuseblk: boolean };
  /** The type's name, then the helper's arguments, as bytes. */
  readonly arguments: readonly Uint8Array[];
  readonly #channel: PacketChannel;
  readonly #timeout: number;
  #fuse: number;

  /**
   * Shakes hands on `socket`, which is the connection's from here on, and receives arguments and FUSE device.
   *
   * @throws {LinuxError} EBADMSG: that is no mount helper; EOPNOTSUPP: none of this version; EINVAL: one that wants more. The
   * socket is closed then.
   */
  constructor(socket: number, { timeout = TIMEOUT }: ConnectionOptions = {}) {
    this.#channel = new PacketChannel(socket);
    this.#timeout = timeout;
    this.#fuse = -1;
    try {
      const flags = this.#hello();
      this.callerMay = {
        allowOther: (flags & HelloFlag.ALLOW_OTHER) !== 0,
        fuseblk: (flags & HelloFlag.FUSEBLK) !== 0,
      };
      this.#send(encode(packets.HELLO_REPLY, { version: PROTOCOL_VERSION }));
      this.arguments = readArguments(this.#receiveFile(encoder.encode(ARGUMENTS_FILE), "memfd_create"));
      if (this.arguments.length === 0) throw broken("no arguments");
      const fuse = this.#receiveFile(encoder.encode(FUSE_DEVICE_FILE), "open");
      this.#fuse = fuse;
      if (!fstat(fuse).isCharacterDevice()) throw broken("the FUSE device is none");
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The FUSE device, which stays the connection's. */
  get fuse(): number {
    return this.#fuse;
  }

  /** The FUSE device; to be read from once it is mounted. The caller takes it over. */
  takeFuse(): number {
    const fuse = this.#fuse;
    this.#fuse = -1;
    return fuse;
  }

  /** Has the helper open `path` with the caller's rights. @throws {LinuxError} with the errno of open(2), or of the helper's rules */
  requestFile(path: Uint8Array, { flags, blockDevice, requestFlags = 0 }: FileRequest): number {
    const row = blockDevice === undefined ? packets.OPEN : packets.OPEN_BLOCK_DEVICE;
    const blockSize = blockDevice?.blockSize ?? 0;
    this.#send(encode(row, { openFlags: flags >>> 0, createMode: 0, requestFlags, blockSize }, path));
    return this.#receiveFile(path, "open");
  }

  /**
   * What the helper, which stays as the mount's keeper, has for its servers; only of one that says that it does. `what`: a
   * `KeeperFile`. @throws {LinuxError} ENOENT: it has no such
   */
  requestKeeperFile(what: number): number {
    this.#send(encode(packets.KEEP, { what }));
    return this.#receiveFile(encoder.encode(keeperFileName(what)), "keep");
  }

  /** No file is asked for any more: the kernel then refuses those that the helper might send. */
  finishFileRequests(): void {
    try {
      setSocketOption(this.#channel.fd, SocketOption.PASSRIGHTS, 0);
    } catch (error) {
      if (!(error instanceof LinuxError && error.code === "ENOPROTOOPT")) throw error; // Linux before 6.16
    }
  }

  /** Asks that the kernel may do the I/O; only of a helper that is known to understand it. `mode`: an `IomapMode`. */
  configureIomap(mode: number): void {
    this.#command(encode(packets.IOMAP, { mode }), "ioctl", "iomap");
  }

  /** First of the mount's commands. `flags`: `FsopenFlag` bits. */
  fsopen(flags: number): void {
    this.#command(encode(packets.FSOPEN, { flags }), "fsopen", "fuse");
  }

  /** What the mount table shows as the source. */
  source(name: Uint8Array): void {
    this.#command(encode(packets.SOURCE, {}, name), "fsconfig", "source");
  }

  /** Where to mount, exactly as it stands in the arguments. `expectedFormat`: a `MountPointFormat`. */
  mountPoint(path: Uint8Array, expectedFormat: number): void {
    this.#command(encode(packets.MOUNT_POINT, { expectedFormat }, path), "open", new TextDecoder().decode(path));
  }

  /** Options for the kernel, separated by commas. */
  options(list: Uint8Array): void {
    this.#command(encode(packets.OPTIONS, {}, list), "fsconfig", new TextDecoder().decode(list));
  }

  /** Options that only the mount table is to show. */
  tableOptions(list: Uint8Array): void {
    this.#command(encode(packets.TABLE_OPTIONS, {}, list), "mount", new TextDecoder().decode(list));
  }

  /** Mounts. `msFlags`: `MountFlag` bits. */
  mount(msFlags: number): void {
    this.#command(encode(packets.MOUNT, { msFlags: msFlags >>> 0 }), "mount", "fuse");
  }

  /**
   * Ends the conversation; the helper exits with the low 8 bits of `code`. What would read as 2, for which a helper may try
   * to start the file system without containment, becomes 1.
   */
  goodbye(code: number): void {
    if (!this.#channel.isOpen) return;
    const exitCode = (code & 0xff) === 2 ? 1 : code >>> 0;
    try {
      this.#send(encode(packets.GOODBYE, { exitCode }));
    } finally {
      this.close();
    }
  }

  /** Ends the connection, and closes the FUSE device if nobody took it. */
  close(): void {
    this.#channel.close();
    if (this.#fuse >= 0) close(this.takeFuse());
  }

  #hello(): number {
    const packet = this.#receive();
    const hello = magicAt(packet) === packets.HELLO.magic ? decode(packets.HELLO, packet)?.values : undefined;
    if (hello === undefined) throw broken("no HELLO");
    const { minVersion, maxVersion, flags } = hello;
    if (minVersion > maxVersion || maxVersion < PROTOCOL_VERSION || minVersion > PROTOCOL_VERSION) {
      throw new LinuxError("recv", Errno.EOPNOTSUPP, `protocol versions ${minVersion} to ${maxVersion}`);
    }
    if ((flags & ~(HelloFlag.ALLOW_OTHER | HelloFlag.FUSEBLK)) !== 0) {
      throw new LinuxError("recv", Errno.EINVAL, `HELLO flags 0x${flags.toString(16)}`);
    }
    return flags;
  }

  #receive(): Uint8Array {
    const packet = this.#channel.receive(this.#timeout);
    if (packet === undefined) throw broken("the connection ended");
    if (packet.length < SMALLEST_PACKET) throw broken(`a packet of ${packet.length} bytes`);
    return packet;
  }

  #receiveFile(path: Uint8Array, call: string): number {
    const packet = this.#channel.receiveWithDescriptor(this.#timeout);
    if (packet === undefined) throw broken("the connection ended");
    const { bytes, fd } = packet;
    try {
      if (bytes.length < SMALLEST_PACKET || magicAt(bytes) !== packets.FILE.magic) throw broken("no FILE");
      const reply = decode(packets.FILE, bytes);
      const exact = bytes.length === packets.FILE.size + path.length + 1;
      if (reply === undefined || !exact || Buffer.compare(reply.text, path) !== 0) throw broken("another FILE");
      const { error } = reply.values;
      const subject = new TextDecoder().decode(path);
      if (error !== 0) throw new LinuxError(call, error > 4095 ? Errno.EIO : error, subject);
      if (fd === undefined) throw new LinuxError(call, Errno.ENOENT, `${subject}: no descriptor came`);
      return fd;
    } catch (error) {
      if (fd !== undefined) close(fd);
      throw error;
    }
  }

  #command(packet: Uint8Array, call: string, subject: string): void {
    this.#send(packet);
    const bytes = this.#receive();
    const reply = magicAt(bytes) === packets.REPLY.magic ? decode(packets.REPLY, bytes) : undefined;
    if (reply === undefined) throw broken("no REPLY");
    const { error } = reply.values;
    if (error !== 0) throw new LinuxError(call, error > 4095 ? Errno.EIO : error, `${subject} (mount helper)`);
  }

  #send(packet: Uint8Array): void {
    this.#channel.send(packet, [], this.#timeout);
  }
}

/** Reads, and closes, a helper's argument file. */
function readArguments(fd: number): Uint8Array[] {
  try {
    const { size } = fstat(fd);
    if (size > LARGEST_ARGUMENTS) throw broken(`arguments of ${size} bytes`);
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const n = pread(fd, bytes, at, size - at, at);
      if (n < 0 && n !== -Errno.EINTR) throw new LinuxError("pread", n, ARGUMENTS_FILE);
      if (n === 0) throw broken("the argument file became shorter");
      at += Math.max(n, 0);
    }
    return decodeArguments(bytes);
  } finally {
    close(fd);
  }
}

function broken(what: string): LinuxError {
  return new LinuxError("recv", Errno.EBADMSG, `mount helper: ${what}`);
}
