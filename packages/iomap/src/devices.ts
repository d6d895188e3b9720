/** A device that the host does file I/O on. */
export interface HostDevice {
  /** Bytes. */
  readonly size: number;
  /** Reads `target.length` bytes at byte `offset`, wholly or not at all: throws when it cannot. */
  read(offset: number, target: Uint8Array): void;
  /** A hint that these bytes will be read soon; never throws. */
  willRead?(offset: number, length: number): void;
  /** Writes `source` at byte `offset`, wholly or not at all: throws when it cannot. Absent, or with `readOnly`: nothing is written. */
  write?(offset: number, source: Uint8Array): void;
  readonly readOnly?: boolean;
}

const LAST_ID = 1024;

/** The devices that mappings may name: ids from 1 to 1024, handed out in a circle, as the kernel does. */
export class DeviceRegistry {
  readonly #devices = new Map<number, HostDevice>();
  #next = 1;

  /** Registers a device and returns its id. */
  add(device: HostDevice): number {
    if (this.#devices.size === LAST_ID) throw new Error(`no more than ${LAST_ID} devices can be registered`);
    while (this.#devices.has(this.#next)) this.#next = (this.#next % LAST_ID) + 1;
    const id = this.#next;
    this.#devices.set(id, device);
    this.#next = (id % LAST_ID) + 1;
    return id;
  }

  get(id: number): HostDevice | undefined {
    return this.#devices.get(id);
  }

  /** Forgets a device; returns whether it was there. */
  remove(id: number): boolean {
    return this.#devices.delete(id);
  }
}
