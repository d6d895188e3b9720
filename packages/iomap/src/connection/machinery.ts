import type { DeviceRegistry } from "../devices.js";
import type { IomapOptions } from "../door.js";
import { EBUSY } from "../errno.js";
import type { FileIdentity, IomapServer } from "../server.js";
import { Buffered } from "./buffered.js";
import { Context } from "./context.js";
import { DirectReader } from "./direct-read.js";
import { DirectWriter } from "./direct-write.js";
import type { FileState } from "./file-state.js";
import { InlineData } from "./inline.js";
import { Ioends } from "./ioends.js";
import { Notifications } from "./notifications.js";
import { PageCache } from "./pages.js";
import { Ranges } from "./ranges.js";
import { Reporter } from "./report.js";
import { Submitted } from "./submitted.js";
import { Swap } from "./swap.js";
import { Writeback } from "./writeback.js";

/** Everything that works on the files of one connection. */
export class Machinery<F extends FileIdentity> {
  readonly context: Context<F>;
  readonly pages: PageCache;
  readonly buffered: Buffered<F>;
  readonly writeback: Writeback<F>;
  readonly reader: DirectReader<F>;
  readonly writer: DirectWriter<F>;
  readonly submitted: Submitted<F>;
  readonly ranges: Ranges<F>;
  readonly reporter: Reporter<F>;
  readonly swap: Swap<F>;
  readonly notifications: Notifications<F>;
  /** By nodeid. */
  readonly files = new Map<number, FileState<F>>();
  isFrozen = false;

  constructor(
    server: IomapServer<F>,
    devices: DeviceRegistry,
    options: IomapOptions,
    evicted: (nodeid: number) => void,
  ) {
    const context = new Context(server, devices, options);
    const pages = new PageCache(options.pageCache);
    const inline = new InlineData(context);
    const ioends = new Ioends(context);
    this.context = context;
    this.pages = pages;
    this.writeback = new Writeback(context, pages, ioends);
    this.buffered = new Buffered(context, pages, inline);
    this.reader = new DirectReader(context, inline, this.buffered, this.writeback);
    this.writer = new DirectWriter(context, pages, inline, this.writeback, ioends);
    this.submitted = new Submitted(context, pages, this.writeback, ioends);
    this.ranges = new Ranges(context, pages, this.buffered, this.writeback);
    this.reporter = new Reporter(context, pages, this.writeback);
    this.swap = new Swap(context, ioends);
    this.notifications = new Notifications(context, this.files);
    this.#evicted = evicted;
    // A page's file is one of this connection's: they come from here alone.
    pages.writeBack = (file) => this.writeback.flush(file as FileState<F>);
    devices.mayClose = () => this.files.size === 0;
  }

  readonly #evicted: (nodeid: number) => void;

  /** Writes back and forgets a file. 0, or a negative errno. */
  evict(file: FileState<F>): number {
    if (file.isGone) return 0;
    if (file.isBusy) return -EBUSY;
    this.writeback.flush(file);
    const error = file.writeError;
    file.writeError = 0;
    if (file.isSwap) this.swap.off(file);
    this.pages.dropRange(file, 0, Number.MAX_SAFE_INTEGER, true);
    file.cache = undefined;
    file.isGone = true;
    this.files.delete(file.identity.nodeid);
    this.#evicted(file.identity.nodeid);
    return error;
  }
}
