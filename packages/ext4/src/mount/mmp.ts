import { crc32c } from "../checksum/crc32c.js";
import { CorruptionError, FileSystemError } from "../errors.js";
import { incompatFeature } from "../format/features.js";
import { MMP_MAGIC, MmpBlock, MmpSequence, type MmpView } from "../format/mmp.js";
import { checkBlockRange, type Volume } from "../volume.js";

/** What multi-mount protection asks of the world. */
export interface MmpOptions {
  /** Waits; the default blocks the thread. */
  readonly wait?: ((seconds: number) => void) | undefined;
  /** Name of this machine, for whoever finds the file system in use. Default `bulkhead`. */
  readonly nodeName?: string | undefined;
  /** Name of the device, likewise. */
  readonly deviceName?: string | undefined;
}

/** Bounds of the interval, in seconds, after which a silent user counts as gone (EXT4_MMP_{MIN,MAX}_CHECK_INTERVAL). */
const MIN_CHECK_INTERVAL = 5;
const MAX_CHECK_INTERVAL = 300;
/** More than twice the interval is waited for at most so much longer (EXT4_MMP_CHECK_...: 60). */
const MOST_EXTRA_WAIT = 60;

/**
 * Multi-mount protection: a block that whoever has the file system mounted changes every few seconds, so that nobody else mounts
 * it meanwhile. Reads go through the device like all others: two machines are told apart only where the device does not cache.
 */
export class MultiMountProtection {
  readonly #volume: Volume;
  readonly #offset: number;
  readonly #bytes: Uint8Array;
  readonly #fields: MmpView;
  /** Seconds. */
  readonly #updateInterval: number;
  #sequence = 0;
  /** Seconds since 1970 of the last update. */
  #updated = 0;
  #stopped = false;

  /**
   * Waits until it is sure that nobody else has the file system, and takes it (ext4_multi_mount_protect).
   *
   * @returns undefined without the mmp feature
   * @throws FileSystemError EBUSY when somebody has it; CorruptionError mmp
   */
  static take(volume: Volume, options: MmpOptions): MultiMountProtection | undefined {
    if ((volume.features.incompat & incompatFeature.mmp) === 0) return undefined;
    const protection = new MultiMountProtection(volume);
    protection.#take(options);
    return protection;
  }

  /**
   * Goes on for a process on this machine that had the file system and died a moment ago.
   *
   * @throws FileSystemError EBUSY when somebody else has taken it since, or may have; CorruptionError mmp
   */
  static takeOver(volume: Volume, options: MmpOptions): MultiMountProtection | undefined {
    if ((volume.features.incompat & incompatFeature.mmp) === 0) return undefined;
    const protection = new MultiMountProtection(volume);
    protection.#takeOver(options);
    return protection;
  }

  private constructor(volume: Volume) {
    const { superblock, geometry } = volume;
    checkBlockRange(volume, superblock.mmpBlock, 1, "mmp", { block: superblock.mmpBlock });
    this.#volume = volume;
    this.#offset = superblock.mmpBlock * geometry.blockSize;
    this.#bytes = new Uint8Array(MmpBlock.size);
    this.#fields = MmpBlock.at(new DataView(this.#bytes.buffer), 0);
    this.#updateInterval = Math.max(superblock.mmpUpdateInterval, 1);
  }

  /** Seconds since 1970 when the next update is due. */
  get deadline(): number {
    return this.#stopped ? Number.POSITIVE_INFINITY : this.#updated + this.#updateInterval;
  }

  #take({ wait = block, nodeName = "bulkhead", deviceName = "" }: MmpOptions): void {
    const fields = this.#fields;
    this.#read();
    const interval = Math.max(this.#updateInterval, MIN_CHECK_INTERVAL, fields.checkInterval);
    const seconds = Math.min(interval * 2 + 1, interval + MOST_EXTRA_WAIT);
    const found = fields.sequence;
    if (found === MmpSequence.fsck) throw this.#busy("a file system check is running on it, or was cut off");
    if (found !== MmpSequence.clean) {
      wait(seconds);
      this.#read();
      if (fields.sequence !== found) throw this.#busy("it is mounted");
    }
    this.#sequence = randomSequence(this.#volume);
    fields.nodeName = padded(nodeName, 64);
    fields.deviceName = padded(deviceName, 32);
    fields.checkInterval = Math.min(interval, MAX_CHECK_INTERVAL);
    this.#write(this.#sequence);
    // Somebody else may have done the same at the same moment.
    wait(seconds);
    this.#read();
    if (fields.sequence !== this.#sequence) throw this.#busy("it is being mounted");
    // What is in the block is as old as the wait was long: whoever goes on, should this process die now, could not know who came since.
    this.#updated = Number.NEGATIVE_INFINITY;
    this.tick();
  }

  #takeOver({ nodeName = "bulkhead" }: MmpOptions): void {
    const fields = this.#fields;
    this.#read();
    const { sequence, time } = fields;
    if (sequence > MmpSequence.most || !same(fields.nodeName, padded(nodeName, 64))) {
      throw this.#busy("it was taken while no server ran");
    }
    // Whoever came meanwhile has waited longer than that.
    if (this.#now() - time > 2 * fields.checkInterval) throw this.#busy("no server ran for too long");
    this.#sequence = sequence;
    this.#updated = Number.NEGATIVE_INFINITY;
    this.tick();
  }

  /**
   * Updates the block when that is due. After a pause that may have made others take the file system, looks whether they have.
   *
   * @throws FileSystemError EBUSY when somebody else has taken the file system: nothing may be written any more
   */
  tick(): void {
    const now = this.#now();
    if (this.#stopped || (now < this.deadline && now >= this.#updated)) return;
    if (now - this.#updated > this.#fields.checkInterval) {
      const mine = this.#fields.nodeName.slice();
      this.#read();
      if (this.#fields.sequence !== this.#sequence || !same(this.#fields.nodeName, mine)) {
        this.#stopped = true;
        throw this.#busy("it was taken while this server stood still");
      }
    }
    this.#sequence = this.#sequence >= MmpSequence.most ? 1 : this.#sequence + 1;
    this.#write(this.#sequence);
    this.#updated = now;
  }

  /** Lets go of the file system. */
  release(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#write(MmpSequence.clean);
  }

  #now(): number {
    return this.#volume.environment.clock.now().seconds;
  }

  #read(): void {
    this.#volume.device.read(this.#offset, this.#bytes);
    const fields = this.#fields;
    const block = this.#volume.superblock.mmpBlock;
    if (fields.magic !== MMP_MAGIC) {
      throw new CorruptionError("mmp", { block }, `magic number 0x${fields.magic.toString(16)}`);
    }
    if (this.#volume.features.metadataCsum && fields.checksum !== this.#checksum()) {
      throw new CorruptionError("mmp", { block }, "its checksum is wrong");
    }
  }

  #write(sequence: number): void {
    const fields = this.#fields;
    fields.sequence = sequence;
    fields.time = Math.max(0, this.#now());
    if (this.#volume.features.metadataCsum) fields.checksum = this.#checksum();
    this.#volume.device.write(this.#offset, this.#bytes);
    this.#volume.device.flush();
  }

  #checksum(): number {
    return crc32c(this.#volume.checksumSeed, this.#bytes, 0, MmpBlock.offset.checksum);
  }

  #busy(why: string): FileSystemError {
    const { nodeName, deviceName, time } = this.#fields;
    const when = new Date(Math.min(time, 8e12) * 1000).toISOString();
    return new FileSystemError(
      "EBUSY",
      `the file system is in use: ${why}; last by ${text(nodeName)} as ${text(deviceName)} at ${when}. If nobody uses it, ` +
        "tune2fs -f -E clear_mmp makes it free",
    );
  }
}

function randomSequence(volume: Volume): number {
  const random = new Uint8Array(4);
  volume.environment.random.fill(random);
  return (new DataView(random.buffer).getUint32(0) % MmpSequence.most) + 1;
}

function block(seconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
}

function padded(text: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < Math.min(text.length, size - 1); at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** What is printable of a name that anybody may have written. */
function text(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    if (byte === 0) break;
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "?";
  }
  return `"${text}"`;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, at) => byte === b[at]);
}
