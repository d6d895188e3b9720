/** Where workloads happen: each step is done to the engine and to the model, and what is promised is written down. */
import {
  type BlockDevice,
  FileSystem,
  FileSystemError,
  type Inode,
  IoLater,
  type MountOptions,
  type RecordingDevice,
} from "@bulkhead/ext4";
import { DeviceRegistry, IomapHost } from "@bulkhead/iomap";
import type { Expected, Snapshot } from "./expected.js";
import type { History, Moment, Promised } from "./history.js";
import { mappingsOf, recorded, steadyEnvironment } from "./hosting.js";

const MOST_BYTES = 2 ** 40;

/** A file system on a device that is recorded, and the model beside it. */
export class Stage implements History {
  readonly device: RecordingDevice;
  readonly fs: FileSystem;
  readonly moments: Moment[] = [];
  readonly promises: Promised[] = [];
  protected readonly model: Expected;
  protected readonly host: IomapHost<Inode>;
  /** Number of the moment in which a node was changed last, or its data. */
  readonly #changed = new Map<number, number>();
  protected readonly dataChanged = new Map<number, number>();
  /** Of whom an upcall tells that data has arrived. */
  protected writing: ((pos: number, written: number) => void) | undefined;
  #begun = 0;
  #step = "mount";
  protected versions = 0;
  /** Whether to wait for a commit in the background, or go on; undefined where commits are complete when the call returns. */
  readonly #waits: (() => boolean) | undefined;

  /**
   * @param device is written
   * @param background decides, [0, 1), how commits go on in the background while the next steps are done
   */
  constructor(
    device: BlockDevice,
    model: Expected,
    options: MountOptions,
    wrap = recorded,
    background?: (() => number) | undefined,
  ) {
    this.model = model;
    this.#waits = background && (() => background() < 0.3);
    this.device = wrap(device);
    this.#mark(0);
    this.promises.push({ at: 0, step: "before", moment: 0, data: 0, node: undefined });
    this.fs = FileSystem.mount(this.device, { ...options, writable: true }, steadyEnvironment());
    if (background !== undefined) this.#transactions.background = new IoLater(background);
    const devices = new DeviceRegistry();
    this.fs.deviceId = devices.add(this.fs.device);
    const limits = { blockSize: this.fs.geometry.blockSize, maxBytes: MOST_BYTES };
    this.host = new IomapHost(
      mappingsOf(this.fs, (pos, written) => this.writing?.(pos, written)),
      devices,
      limits,
      (error) => {
        throw error;
      },
    );
  }

  get #transactions() {
    const { transactions } = this.fs.volume;
    if (transactions === undefined) throw new Error("mounted for reading");
    return transactions;
  }

  /** Makes something durable, and notes it when it is. */
  #settle(inode: Inode | undefined, dataOnly: boolean, durable: () => void): void {
    const waits = this.#waits;
    if (waits === undefined) {
      if (inode === undefined) this.fs.sync();
      else this.fs.fsync(inode, dataOnly);
      durable();
      return;
    }
    this.#transactions.syncLater(inode, dataOnly, (error) => {
      if (error !== undefined) throw new Error("a commit in the background failed", { cause: error });
      durable();
    });
    if (waits()) this.#transactions.wait();
  }

  #mark(begun: number): void {
    const snapshot = this.model.snapshot();
    const before = this.moments.at(-1)?.snapshot;
    if (before !== undefined) {
      this.#namesChanged(before, snapshot);
      this.#namesChanged(snapshot, before);
    }
    this.moments.push({ begun, step: this.#step, snapshot });
  }
  /** Notes of which directories a name was changed. */
  #namesChanged({ names }: Snapshot, other: Snapshot): void {
    for (const [path, id] of names) {
      if (path === "" || other.names.get(path) === id) continue;
      this.#changed.set(names.get(path.slice(0, Math.max(0, path.lastIndexOf("/"))))!, this.moments.length);
    }
  }

  /** A step: what the engine does, and what comes of it. @returns whether it was done; what the engine refuses changes nothing */
  protected perform(step: string, perform: () => void, done: () => readonly number[]): boolean {
    this.#step = step;
    this.#begun = this.device.events.length;
    try {
      perform();
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw new Error(`${step}: ${String(error)}`, { cause: error });
      return false;
    }
    this.changedNow(done());
    return true;
  }

  protected changedNow(nodes: readonly number[]): void {
    for (const id of nodes) this.#changed.set(id, this.moments.length);
    this.#mark(this.#begun);
  }

  protected inode(path: string): Inode {
    let inode = this.fs.root;
    for (const name of path.split("/")) {
      if (name === "") continue;
      const ino = this.fs.lookup(inode, Buffer.from(name));
      if (ino === 0) throw new FileSystemError("ENOENT", path);
      inode = this.fs.inode(ino);
    }
    return inode;
  }

  protected place(path: string): [directory: Inode, name: Uint8Array] {
    const slash = path.lastIndexOf("/");
    return [this.inode(path.slice(0, Math.max(0, slash))), Buffer.from(path.slice(slash + 1))];
  }

  has(path: string): boolean {
    return this.model.has(path);
  }

  fsync(path: string, dataOnly = false): void {
    const step = `${dataOnly ? "fdatasync" : "fsync"} ${path}`;
    let inode: Inode;
    try {
      inode = this.inode(path);
    } catch (error) {
      if (error instanceof FileSystemError && error.code === "ENOENT") return;
      throw error;
    }
    const { id, kind } = this.model.node(path);
    // The data of a directory are the names in it.
    const ofFile = dataOnly && kind === "file";
    const data = (ofFile ? this.dataChanged : this.#changed).get(id) ?? 0;
    const moment = ofFile ? this.#sizedAt(id, data) : data;
    this.#settle(inode, dataOnly, () =>
      this.promises.push({ at: this.device.events.length, step, moment, data, node: id }),
    );
  }
  /** The last moment up to `moment` in which a file got its size: what is written in place needs nothing but its data. */
  #sizedAt(id: number, moment: number): number {
    const size = (at: number) => this.moments[at]?.snapshot.nodes.get(id)?.contents.length;
    let at = moment;
    while (at > 0 && size(at - 1) === size(moment)) at--;
    return at;
  }
  sync(): void {
    this.#settle(undefined, false, this.#everything("sync"));
  }
  /** A commit that nobody asked for, as the clock makes them every few seconds. */
  commit(): void {
    this.#settle(undefined, false, () => {});
  }
  unmount(): void {
    this.#begun = this.device.events.length;
    const durable = this.#everything("unmount");
    this.fs.unmount();
    durable();
  }
  /** All that has happened up to now; to be called when it is durable. */
  #everything(step: string): () => void {
    const moment = this.moments.length - 1;
    return () => this.promises.push({ at: this.device.events.length, step, moment, data: moment, node: undefined });
  }
}
