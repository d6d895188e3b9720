import type { Slot } from "./rules.js";

/** For JSON. */
export function bigints(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

interface SlotView {
  readonly type: number;
  readonly flags: number;
  readonly dev: number;
  readonly offsetLo: number;
  readonly offsetHi: number;
  readonly lengthLo: number;
  readonly lengthHi: number;
  readonly addrLo: number;
  readonly addrHi: number;
}

/** A mapping in a reply. */
export function slotOf(view: SlotView): Slot {
  const wide = (low: number, high: number) => (BigInt(high) << 32n) | BigInt(low);
  return {
    type: view.type,
    flags: view.flags,
    dev: view.dev,
    offset: wide(view.offsetLo, view.offsetHi),
    length: wide(view.lengthLo, view.lengthHi),
    addr: wide(view.addrLo, view.addrHi),
  };
}

/** A mapping at byte `at` of a notification. */
export function slotAt(view: DataView, at: number): Slot {
  return {
    offset: view.getBigUint64(at, true),
    length: view.getBigUint64(at + 8, true),
    addr: view.getBigUint64(at + 16, true),
    type: view.getUint16(at + 24, true),
    flags: view.getUint16(at + 26, true),
    dev: view.getUint32(at + 28, true),
  };
}
