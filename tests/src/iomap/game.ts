/** Random operations of a fake kernel whose ioends fail, get lost, come twice, in pieces and in any order; and what its files hold. */
import assert from "node:assert/strict";
import { IoLater } from "@bulkhead/ext4";
import { Random } from "../images/random.js";
import { Clutter } from "./clutter.js";
import { type Completion, FakeKernel, type KernelFile } from "./fake-kernel.js";
import { STALE } from "./images.js";
import { Ioend } from "./operations.js";
import { ROOT, type WireOptions } from "./wire.js";

const ENOSPC = -28;
const EIO = -5;
const EOPNOTSUPP = -95;

/** Where files end, about; and the longest writes. */
const REACH = 300_000;
const LONGEST = 60_000;

interface Played {
  readonly file: KernelFile;
  bytes: Uint8Array;
  /** What a crash must not lose, since the last fsync without a change after it. */
  durable: Uint8Array | undefined;
}

export class FaultyGame {
  readonly kernel: FakeKernel;
  readonly #blockSize: number;
  readonly #random: (below: number) => number;
  readonly #files = new Map<string, Played>();
  readonly #clutter: Clutter;
  #made = 0;

  constructor(image: Uint8Array, options: WireOptions, seed: number) {
    this.kernel = new FakeKernel(image, options);
    this.#blockSize = options.blockSize;
    const random = new Random(seed);
    this.#random = (below) => random.below(below);
    this.#clutter = new Clutter(this.kernel, this.#random);
    // Every second time, commits go on while the kernel does.
    const { transactions } = this.kernel.fs.volume;
    if (transactions?.journalled === true && random.below(2) === 0) {
      transactions.background = new IoLater(() => random.below(1000) / 1000);
    }
  }

  play(steps: number): void {
    for (let step = 0; step < steps; step++) this.#step();
  }

  #step(): void {
    const random = this.#random;
    if (this.#files.size < 3) {
      this.#create();
      return;
    }
    const names = [...this.#files.keys()];
    const name = names[random(names.length)]!;
    const played = this.#files.get(name)!;
    switch (random(23)) {
      case 0:
        if (random(3) === 0) this.#unlink(name, played);
        else this.#create();
        break;
      case 11:
      case 12:
      case 16:
        this.#clutter.step();
        break;
      case 13:
        this.#clutter.attribute(played.file.nodeid);
        break;
      case 15:
        // Freezing brings all metadata home; flushing is not what it is asked for while files without a name are in use.
        if (random(2) === 0) this.kernel.done("FREEZE_FS", ROOT, { request: { unlinked: 1 } });
        else this.kernel.device.writeBack(() => random(2) === 0);
        break;
      case 17:
        this.kernel.fs.volume.transactions?.syncLater(undefined, false, (error) => assert.equal(error, undefined));
        break;
      case 14:
        if (random(2) === 0) this.#evict(name, played);
        else this.#rename(name, names[random(names.length)]!);
        break;
      case 1:
        this.#truncate(played);
        break;
      case 2:
        this.#fallocate(played);
        break;
      case 3:
        this.#inAnyOrder(played);
        break;
      case 4:
        this.#fail(played, () => {});
        break;
      case 5:
        this.#fail(played, (completion) => void this.kernel.ioend({ ...completion, error: EIO }));
        break;
      case 6:
        this.#deviceFails(played);
        break;
      case 7:
        this.#fillUp();
        break;
      case 8:
        this.kernel.fsync(played.file);
        played.durable = played.bytes.slice();
        break;
      case 9:
      case 10:
        this.#check(name, played);
        break;
      default:
        this.#write(played);
        break;
    }
  }

  #create(): void {
    const name = `f${this.#made++}`;
    this.#files.set(name, { file: this.kernel.create(name), bytes: new Uint8Array(0), durable: undefined });
  }

  #unlink(name: string, { file }: Played): void {
    this.kernel.unlink(name, file);
    this.#files.delete(name);
  }

  /** Nobody uses it for a while. */
  #evict(name: string, { file, bytes }: Played): void {
    this.kernel.evict(name, file);
    assert.equal(file.size, bytes.length, name);
  }

  /** Over another one, or over itself. */
  #rename(name: string, over: string): void {
    const lost = this.#files.get(over)!;
    const played = this.#files.get(name)!;
    const request = { newdir: ROOT, flags: 0 };
    this.kernel.done("RENAME2", ROOT, { request, names: [Buffer.from(name), Buffer.from(over)] });
    if (lost === played) return;
    this.#files.delete(name);
    this.#files.set(over, played);
    played.durable = undefined;
    // Somebody has it open still.
    if (this.#random(2) === 0) {
      this.#write(lost);
      this.#check(over, lost);
    }
    this.kernel.drop(lost.file);
  }

  #pattern(length: number): Uint8Array {
    const first = 1 + this.#random(200);
    return Uint8Array.from({ length }, (_, at) => 1 + ((first + at * 7) % (STALE - 1)));
  }

  #range(aligned = false): { pos: number; data: Uint8Array } {
    const random = this.#random;
    const unit = aligned || random(3) === 0 ? this.#blockSize : 1;
    const reach = random(6) === 0 ? 200 : REACH;
    const pos = Math.floor(random(reach) / unit) * unit;
    const length = Math.max(1, Math.floor((1 + random(reach === 200 ? 150 : LONGEST)) / unit)) * unit;
    return { pos, data: this.#pattern(length) };
  }

  /** A write that happens. */
  #write(played: Played): void {
    const { pos, data } = this.#range();
    const put = this.kernel.write(played.file, pos, data);
    if (put === ENOSPC) {
      this.#applySegments(played);
      return;
    }
    assert.equal(put, data.length);
    apply(played, pos, data);
  }

  /** Several writes, of which the server hears in another order than they were made, in pieces, some of them twice. */
  #inAnyOrder(played: Played): void {
    const random = this.#random;
    const { kernel } = this;
    const due: Completion[] = [];
    kernel.onIoend = (completion) => void due.push(completion);
    let full = false;
    for (let count = 1 + random(4); count > 0 && !full; count--) {
      const { pos, data } = this.#range(true);
      const put = kernel.write(played.file, pos, data);
      full = put < 0;
      if (!full) apply(played, pos, data);
    }
    kernel.onIoend = (completion) => void kernel.ioend(completion);
    const pieces = due.flatMap((completion) => this.#pieces(completion));
    for (let left = pieces.length; left > 0; left--) {
      const [piece] = pieces.splice(random(left), 1);
      for (let times = 1 + (random(4) === 0 ? 1 : 0); times > 0; times--) assert.equal(kernel.ioend(piece!), 0);
    }
    // What the one that failed wrote over the others' blocks, before they were said to be written, is theirs now.
    if (full) played.bytes = kernel.read(played.file, 0, played.file.size);
  }

  #pieces(completion: Completion): Completion[] {
    if (completion.error !== 0) return [completion];
    const end = completion.pos + completion.written;
    const pieces: Completion[] = [];
    for (let pos = completion.pos; pos < end; ) {
      const written = Math.min(end - pos, 1 + this.#random(20_000));
      const grows = pos + written > completion.file.diskSize;
      const flags = (completion.flags & ~Ioend.append) | Ioend.writeback | (grows ? Ioend.append : 0);
      pieces.push({ ...completion, flags: flags & ~Ioend.direct, pos, written });
      pos += written;
    }
    return pieces;
  }

  /** A write whose ioend does not come, or says that it failed: what was unwritten stays so, and the file does not grow. */
  #fail(played: Played, onIoend: (completion: Completion) => void): void {
    const { kernel } = this;
    const { file } = played;
    const { pos, data } = this.#range();
    const { size } = file;
    // A gap is zeroed before, and that grows nothing; the write itself starts inside or behind the file.
    kernel.onIoend = onIoend;
    kernel.write(file, pos, data);
    kernel.onIoend = (completion) => void kernel.ioend(completion);
    file.size = Math.max(size, file.diskSize);
    this.#applySegments(played);
  }

  #deviceFails(played: Played): void {
    const { kernel } = this;
    let left = this.#random(3);
    kernel.deviceWorks = () => left-- > 0;
    const { pos, data } = this.#range();
    const put = kernel.write(played.file, pos, data);
    kernel.deviceWorks = () => true;
    if (put === data.length) apply(played, pos, data);
    else this.#applySegments(played);
  }

  /** After an error: what was written over mapped space is there, what was unwritten still reads as zeros. */
  #applySegments(played: Played): void {
    const { file } = played;
    const bytes = new Uint8Array(file.size);
    bytes.set(played.bytes.subarray(0, file.size));
    for (const { pos, data, overwrote } of this.kernel.segments) {
      if (overwrote && pos < file.size) bytes.set(data.subarray(0, file.size - pos), pos);
    }
    played.bytes = bytes;
    played.durable = undefined;
  }

  #truncate(played: Played): void {
    const size = this.#random(this.#random(4) === 0 ? 300 : REACH);
    assert.equal(this.kernel.truncate(played.file, size), 0);
    const bytes = new Uint8Array(size);
    bytes.set(played.bytes.subarray(0, size));
    played.bytes = bytes;
    played.durable = undefined;
  }

  #fallocate(played: Played): void {
    const random = this.#random;
    const mode = [0, 1, 3, 0x10, 0x11][random(5)]!;
    const { pos, data } = this.#range();
    const result = this.kernel.fallocate(played.file, mode, pos, data.length);
    played.durable = undefined;
    if (result === EOPNOTSUPP) return;
    const { size } = played.file;
    if (result === ENOSPC) {
      // A part may have been allocated, and the size have followed it.
      this.kernel.truncate(played.file, Math.max(size, played.bytes.length));
      if ((mode & 0x12) !== 0) played.bytes = this.kernel.read(played.file, 0, played.file.size);
      return;
    }
    assert.equal(result, 0);
    const bytes = new Uint8Array(size);
    bytes.set(played.bytes);
    if ((mode & 0x12) !== 0) bytes.fill(0, pos, Math.min(size, pos + data.length));
    played.bytes = bytes;
  }

  /** Writes until nothing is left, then makes room again. */
  #fillUp(): void {
    const { kernel } = this;
    const name = `full${this.#made++}`;
    const file = kernel.create(name);
    const put = kernel.write(file, 0, new Uint8Array(17 << 20).fill(7));
    assert.equal(put, ENOSPC);
    this.#check("what is there", [...this.#files.values()][0]!);
    for (let count = this.#random(4); count > 0; count--) {
      this.#clutter.step();
      this.#clutter.attribute([...this.#files.values()][0]!.file.nodeid);
      this.#fallocate([...this.#files.values()].at(-1)!);
    }
    kernel.unlink(name, file);
    // What was freed may be used again once that is durable.
    kernel.done("SYNCFS", 2, { request: {} });
  }

  #check(name: string, { file, bytes }: Played): void {
    assert.equal(file.size, bytes.length, name);
    const found = this.kernel.read(file, 0, file.size);
    const at = found.findIndex((byte, index) => byte !== bytes[index]);
    assert.equal(at, -1, `${name}: byte ${at} of ${bytes.length} is ${found[at]}, not ${bytes[at]}`);
  }

  /** What is on the device when power fails now, and what files have to hold at least. */
  crash(): { readonly image: Uint8Array; readonly durable: ReadonlyMap<string, Uint8Array> } {
    const durable = new Map<string, Uint8Array>();
    for (const [name, played] of this.#files) if (played.durable !== undefined) durable.set(name, played.durable);
    return { image: this.kernel.device.platter.slice(), durable };
  }

  /** Unmounts. */
  end(): { readonly image: Uint8Array; readonly contents: ReadonlyMap<string, Uint8Array> } {
    for (const [name, played] of this.#files) this.#check(name, played);
    const { transactions } = this.kernel.fs.volume;
    transactions?.wait();
    if (transactions !== undefined) transactions.background = undefined;
    this.kernel.unmount();
    const contents = new Map([...this.#files].map(([name, { bytes }]) => [name, bytes]));
    return { image: this.kernel.device.platter, contents };
  }
}

function apply(played: Played, pos: number, data: Uint8Array): void {
  const bytes = new Uint8Array(Math.max(played.bytes.length, pos + data.length));
  bytes.set(played.bytes);
  bytes.set(data, pos);
  played.bytes = bytes;
  played.durable = undefined;
}
