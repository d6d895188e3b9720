/** A device and that of its journal, one behind the other: in one log, and each with flushes of its own. */
import { type BlockDevice, type DeviceEvent, RecordingDevice, SubRangeDevice } from "@bulkhead/ext4";

class JournalDevice extends SubRangeDevice {
  readonly #flushed: () => void;

  constructor(base: BlockDevice, start: number, flushed: () => void) {
    super(base, start);
    this.#flushed = flushed;
  }

  override flush(): void {
    this.#flushed();
  }
}

export class PairDevice extends RecordingDevice {
  readonly journal: BlockDevice;
  readonly #journalAt: number;
  readonly #journalFlushes = new Set<DeviceEvent>();

  /** @param journalAt byte behind the end of the file system */
  constructor(base: BlockDevice, journalAt: number) {
    super(base);
    this.#journalAt = journalAt;
    this.journal = new JournalDevice(this, journalAt, () => {
      const flush = { kind: "flush" } as const;
      this.#journalFlushes.add(flush);
      this.events.push(flush);
    });
  }

  /**
   * The first `count` events as one device could have had them: all that either device has flushed, a flush, and what both may do in
   * any order, or not at all.
   */
  asOne(count: number): DeviceEvent[] {
    const durable: DeviceEvent[] = [];
    const volatile: DeviceEvent[] = [];
    const flushed = new Set<boolean>();
    for (const event of this.events.slice(0, count).reverse()) {
      const isJournal = event.kind === "flush" ? this.#journalFlushes.has(event) : event.offset >= this.#journalAt;
      if (event.kind === "flush") flushed.add(isJournal);
      else (flushed.has(isJournal) ? durable : volatile).push(event);
    }
    return [...durable.reverse(), { kind: "flush" }, ...volatile.reverse()];
  }
}
