import { type BlockDevice, DeviceError, type IoSequence } from "@bulkhead/ext4";
import { LinuxError } from "@bulkhead/linux";
import { type CommitStep, Counter } from "./io-job.js";
import type { IoThread } from "./io-thread.js";

/** Bytes of a buffer. */
const BUFFER = 512 * 1024;

/** Commits' I/O on the thread that waits for the device, which finds what to write in memory that both share. */
export class BackgroundIo implements IoSequence {
  readonly #thread: IoThread;
  readonly #counters: Int32Array;
  #steps: CommitStep[] = [];
  /**
   * Buffers of the sequence in hand, and those that are free: as many as the longest one took, which a transaction's size bounds. To let
   * go of them would not free them for long: V8 does not count shared memory as a reason to collect garbage, and the other thread, which
   * makes next to none, refers to them, too. The last of the former is filled up to `#filled`.
   */
  #buffers: Uint8Array[] = [];
  #free: Uint8Array[] = [];
  #filled = 0;
  /** Commits that were through when the one in hand was started. */
  #before = 0;
  #done: ((error: unknown) => void) | undefined;

  constructor(thread: IoThread) {
    this.#thread = thread;
    this.#counters = thread.counters;
  }

  get busy(): boolean {
    return this.#done !== undefined;
  }

  take(length: number): Uint8Array {
    let buffer = this.#buffers.at(-1);
    if (buffer === undefined || this.#filled + length > buffer.length) {
      buffer = this.#free.pop() ?? new Uint8Array(new SharedArrayBuffer(BUFFER));
      this.#buffers.push(buffer);
      this.#filled = 0;
    }
    return buffer.subarray(this.#filled, this.#filled + length);
  }

  write(device: BlockDevice, offset: number, bytes: Uint8Array): void {
    if (!(offset >= 0 && offset + bytes.length <= device.size)) {
      throw new DeviceError("write", offset, bytes.length, `the device ends at ${device.size}`);
    }
    const { fd, start } = fileOf(device);
    this.#filled += bytes.length;
    this.#steps.push({ fd, offset: start + offset, bytes });
    device.countWritten?.(bytes.length);
  }

  flush(device: BlockDevice): void {
    this.#steps.push({ fd: fileOf(device).fd, offset: 0, bytes: undefined });
  }

  start(done: (error: unknown) => void): void {
    this.#done = done;
    this.#before = Atomics.load(this.#counters, Counter.commits);
    this.#thread.post({ steps: this.#steps, wakeup: this.#thread.wakeup });
  }

  poll(): void {
    if (Atomics.load(this.#counters, Counter.commits) !== this.#before) this.#finish();
  }

  wait(): void {
    if (!this.busy) return;
    Atomics.wait(this.#counters, Counter.commits, this.#before);
    this.poll();
  }

  drop(): void {
    this.#steps = [];
    this.#free.push(...this.#buffers);
    this.#buffers = [];
    this.#filled = 0;
  }

  #finish(): void {
    const done = this.#done;
    if (done === undefined) return;
    const errno = Atomics.load(this.#counters, Counter.commitErrno);
    const failed = this.#steps[Atomics.load(this.#counters, Counter.commitStep)];
    this.#done = undefined;
    this.drop();
    done(errno === 0 ? undefined : errorOf(failed, errno));
  }
}

function errorOf(step: CommitStep | undefined, errno: number): DeviceError {
  const bytes = step?.bytes;
  const [what, call] = bytes === undefined ? (["flush", "fdatasync"] as const) : (["write", "pwrite"] as const);
  return new DeviceError(what, step?.offset ?? 0, bytes?.length ?? 0, new LinuxError(call, errno));
}

function fileOf({ file }: BlockDevice): { readonly fd: number; readonly start: number } {
  if (file === undefined) throw new Error("a device that only one thread can write");
  return file;
}
