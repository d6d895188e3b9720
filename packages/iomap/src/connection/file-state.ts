import type { FileAttributes } from "../door.js";
import type { MappingLimits } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Context } from "./context.js";
import { MappingCache } from "./mapping-cache.js";
import type { Page } from "./pages.js";

/** What the host knows of one inode. */
export class FileState<F extends FileIdentity> {
  readonly identity: F;
  readonly limits: MappingLimits;
  readonly isAtomic: boolean;
  readonly isSync: boolean;
  readonly isAppendOnly: boolean;
  readonly isImmutable: boolean;
  /** i_size: what readers see. */
  size: number;
  /** i_disk_size: what the server has recorded. */
  diskSize: number;
  /** From the first upsert on. */
  cache: MappingCache | undefined;
  /** Changes when mappings that came straight from the server may no longer be true. */
  generation = 1;
  /** Pages in memory, by page number. */
  readonly pages = new Map<number, Page>();
  readonly dirtyPages = new Set<Page>();
  dirtyBytes = 0;
  /** Negative errno of a write-back that nobody has been told of yet. */
  writeError = 0;
  isSwap = false;
  /** End of a gap behind the end of the file that is being zeroed: what is dirty before it counts. */
  zeroedUntil = 0;
  isGone = false;
  /** Submitted reads and writes under way, and what waits for them, in its order. */
  inFlight = 0;
  readonly waiting: { readonly alone: boolean; run(): void }[] = [];
  /** Who is called when nothing is under way, and nothing waits. */
  readonly whenIdle: (() => void)[] = [];
  /** Where a sequential reader goes on, and how far ahead of it is read. */
  nextRead = 0;
  readAhead = 0;
  readonly #mostCacheBytes: () => number;

  constructor(identity: F, attributes: FileAttributes, context: Context<F>) {
    const { configuration } = context;
    this.identity = identity;
    this.limits = {
      blockSize: attributes.blockSize ?? configuration.blockSize,
      get maxBytes() {
        return configuration.maxBytes;
      },
    };
    this.isAtomic = attributes.atomic ?? false;
    this.isSync = attributes.sync ?? false;
    this.isAppendOnly = attributes.append ?? false;
    this.isImmutable = attributes.immutable ?? false;
    this.size = attributes.size;
    this.diskSize = attributes.size;
    this.#mostCacheBytes = () => configuration.cacheMaxBytes;
  }

  get isBusy(): boolean {
    return this.inFlight > 0 || this.waiting.length > 0;
  }

  /** The mapping cache, made when there is none. */
  needCache(): MappingCache {
    this.cache ??= new MappingCache(this.limits, this.#mostCacheBytes);
    return this.cache;
  }

  /** Forgets mappings: what is known of the blocks of [pos, pos + length) is no longer true. */
  dropMappings(pos: number, length: number): void {
    this.generation++;
    this.cache?.invalidate(pos, length);
  }
}
