import type { BlockDevice } from "./device.js";

/** What a recording device saw, in order. */
export type DeviceEvent =
  | { readonly kind: "write"; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: "discard"; readonly offset: number; readonly length: number }
  | { readonly kind: "flush" };

/** Passes everything on and keeps a log of writes, discards and flushes: what a crash test replays up to any point. */
export class RecordingDevice implements BlockDevice {
  readonly events: DeviceEvent[] = [];
  readonly #base: BlockDevice;

  constructor(base: BlockDevice) {
    this.#base = base;
  }

  get size(): number {
    return this.#base.size;
  }
  get readOnly(): boolean {
    return this.#base.readOnly;
  }

  read(offset: number, target: Uint8Array): void {
    this.#base.read(offset, target);
  }

  willRead(offset: number, length: number): void {
    this.#base.willRead?.(offset, length);
  }

  /** Logged once it has succeeded. */
  write(offset: number, source: Uint8Array): void {
    this.#base.write(offset, source);
    this.events.push({ kind: "write", offset, bytes: source.slice() });
  }

  takeWritten(): number {
    return this.#base.takeWritten?.() ?? 0;
  }

  flush(): void {
    this.#base.flush();
    this.events.push({ kind: "flush" });
  }

  discard(offset: number, length: number): boolean {
    this.#base.discard?.(offset, length);
    this.events.push({ kind: "discard", offset, length });
    return true;
  }

  close(): void {
    this.#base.close();
  }
}
