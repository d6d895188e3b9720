/** An operation with everything drawn: what it does to a subject, what must come of it, and what becomes of the model. */
import { Random } from "../images/random.js";
import { type Entry, type Handle, type Model, type Node, SLOTS } from "./model.js";
import type { Subject, Target } from "./subject.js";
import type { ModelVariant } from "./variants.js";

/** What is generated and what a failing sequence consists of: all details are drawn from `seed` and the model as it is. */
export interface Operation {
  readonly kind: string;
  readonly seed: number;
}

export interface Action {
  /** For people: what was done. */
  readonly text: string;
  /** The errno's name that must come; without it the call must succeed. */
  readonly fails?: string | undefined;
  /** It may be refused for lack of room, and nothing has changed then. */
  readonly allocates?: boolean;
  /** It may be refused so on an image with plenty of room as well: attributes have little. */
  readonly cramped?: boolean;
  perform(subject: Subject): unknown;
  /** Tells the model that it was done. */
  done?(result: unknown): void;
  /** Tells the model that it was refused for lack of room, where something may have changed all the same. */
  refused?(subject: Subject): void;
  /** Tells the model that it failed as it had to; nothing changes then but times, in the kernel's ext4. */
  failed?(): void;
  /** Nodes to look at afterwards. */
  readonly touches: readonly Node[];
}

export type Plan = (draw: Draw) => Action | undefined;

const LONG = "long name ".repeat(25);
const PATH_LIMIT = 1500;

/** Draws the details of one operation. */
export class Draw {
  readonly model: Model;
  readonly variant: ModelVariant;
  /** Nanoseconds since 1970. */
  readonly now: bigint;
  /** See Subject. */
  readonly shiftsRanges: boolean;
  readonly refusesForGood: boolean;
  readonly #random: Random;

  constructor(model: Model, variant: ModelVariant, subject: Subject, seed: number) {
    this.model = model;
    this.variant = variant;
    this.shiftsRanges = subject.shiftsRanges;
    this.refusesForGood = subject.refusesForGood;
    this.now = BigInt(Date.now()) * 1_000_000n;
    this.#random = new Random(seed);
  }

  below(limit: number): number {
    return this.#random.below(limit);
  }
  chance(probability: number): boolean {
    return this.#random.below(1_000_000) < probability * 1_000_000;
  }
  pick<T>(from: readonly T[]): T | undefined {
    return from.length === 0 ? undefined : from[this.#random.below(from.length)];
  }
  /** One of a list that is not empty. */
  oneOf<T>(first: T, ...more: readonly T[]): T {
    return this.pick([first, ...more]) ?? first;
  }

  /** A length that is often small. */
  length(limit: number): number {
    const most = Math.min(limit, this.oneOf(16, 300, 5000, 5000, 70_000, limit));
    return 1 + this.below(most);
  }

  /** An offset in or near a file. */
  offset(size: number): number {
    const block = this.variant.blockSize;
    const near = this.below(Math.min(size, 1 << 20) + this.oneOf(1, block, 20_000, 200_000));
    const at = this.chance(this.variant.roomy ? 0.02 : 0.1) ? this.below(this.variant.farthest) : near;
    return this.chance(0.3) ? at - (at % block) : at;
  }

  directory(): Node {
    const all = this.model.all("directory").filter((node) => this.model.path(node).length < PATH_LIMIT);
    return this.pick(all) ?? this.model.root;
  }

  name(): string {
    const number = this.below(40);
    if (this.chance(0.85)) return `${this.variant.caseless && this.chance(0.5) ? "N" : "n"}${number}`;
    if (this.chance(0.5)) return `${LONG}${number}`.slice(0, 255).padEnd(250, ".") + String(number).padStart(5, "0");
    if (this.chance(0.1)) return "x".repeat(256);
    // e2fsck 1.47.0 cannot hash what is no UTF-8 where case does not count, and takes another name's hash for its: bulkhead-mount(8), NOTES.
    const odd = this.variant.caseless ? "\xf0\x9f\x92\xbe" : "\xff\xfe";
    return this.oneOf(`${odd}${number}`, ` ${number}`, `-${number}`, `\n\t"${number}`, `\xc3\xa9${number}`, "lost");
  }

  /** A path: mostly of something that is there. */
  entry(): { directory: Node; name: string; entry: Entry | undefined; path: string } {
    const directory = this.directory();
    const there = this.chance(0.7) ? this.pick([...directory.entries.values()]) : undefined;
    const name = there?.name ?? this.name();
    return { directory, name, entry: this.model.find(directory, name), path: this.join(directory, name) };
  }

  join(directory: Node, name: string): string {
    const above = this.model.path(directory);
    return above === "" ? name : `${above}/${name}`;
  }

  /** An entry whose node is one of these kinds. */
  some(...kinds: readonly Node["kind"][]): { node: Node; path: string } | undefined {
    const node = this.pick([...this.model.nodes].filter((one) => kinds.includes(one.kind)));
    if (node === undefined) return undefined;
    const name = this.pick([...node.names]);
    return { node, path: this.model.path(name ?? node) };
  }

  /** A regular file, by path or by an open handle. */
  file(): { node: Node; target: Target; handle: Handle | undefined; text: string } | undefined {
    const slot = this.below(SLOTS);
    const handle = this.chance(0.3) ? this.model.handles[slot] : undefined;
    if (handle !== undefined) return { node: handle.node, target: slot, handle, text: `handle ${slot}` };
    const some = this.some("file");
    if (some === undefined) return undefined;
    return { node: some.node, target: some.path, handle: undefined, text: show(some.path) };
  }
}

const SHOWN = 60;

/** A path for people. */
export function show(path: string): string {
  const text = JSON.stringify(`/${path}`);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}..." (${path.length} bytes)` : text;
}

export function tooLong(name: string): boolean {
  return name.length > 255;
}
