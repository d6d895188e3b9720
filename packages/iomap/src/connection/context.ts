import type { Configuration } from "../config.js";
import { DeviceIo } from "../device-io.js";
import type { DeviceRegistry } from "../devices.js";
import type { Counters, IomapOptions } from "../door.js";
import type { FileIdentity, IomapServer } from "../server.js";
import { Surroundings } from "../surroundings.js";
import { ServerLink } from "./server-link.js";

/** Largest file size that numbers can say. */
const MOST_BYTES = Number.MAX_SAFE_INTEGER;

/** Defaults of fuse-iomap where the server configures nothing. */
const DEFAULT_BLOCK = 4096;
const DEFAULT_MAPPING_CACHE = 262_144;

/** What all parts of a connection share. */
export class Context<F extends FileIdentity> {
  readonly server: ServerLink<F>;
  readonly devices: DeviceRegistry;
  readonly io: DeviceIo;
  readonly surroundings = new Surroundings();
  readonly configuration: Configuration;
  readonly onError: (error: unknown) => void;
  readonly isInterrupted: () => boolean;
  readonly counters: Counters = {
    begins: 0,
    ends: 0,
    ioends: 0,
    hits: 0,
    misses: 0,
    inlineReads: 0,
    inlineWrites: 0,
    deviceReads: 0,
    deviceWrites: 0,
    bytesRead: 0,
    bytesWritten: 0,
    stale: 0,
  };

  constructor(server: IomapServer<F>, devices: DeviceRegistry, options: IomapOptions) {
    this.onError = options.onError ?? (() => {});
    this.isInterrupted = options.isInterrupted ?? (() => false);
    this.server = new ServerLink(server, this.onError);
    this.devices = devices;
    this.io = new DeviceIo(devices, this.counters, this.onError);
    this.configuration = {
      name: "",
      uuid: new Uint8Array(0),
      blockSize: options.blockSize ?? DEFAULT_BLOCK,
      maxLinks: 0,
      timeGranularity: 1,
      timeMin: -MOST_BYTES,
      timeMax: MOST_BYTES,
      maxBytes: Math.min(options.maxBytes ?? MOST_BYTES, MOST_BYTES),
      cacheMaxBytes: options.mappingCacheBytes ?? DEFAULT_MAPPING_CACHE,
    };
  }

  /** Tells of an answer that broke a rule. @returns -EUCLEAN's number, given */
  refuse(failure: number, what: string): number {
    this.onError(new Error(what));
    return -failure;
  }
}
