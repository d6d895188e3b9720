import type { PacketFields, PacketRow, PacketValues } from "./packets.js";

/** A packet that arrived as its row says. */
export interface Decoded<F extends PacketFields, T extends boolean> {
  readonly values: PacketValues<F>;
  /** Up to its first NUL; a copy. Empty for packets without a text. */
  readonly text: T extends true ? Uint8Array : undefined;
}

/** The first word of a packet of at least 4 bytes. */
export function magicAt(packet: Uint8Array): number {
  return viewOf(packet).getUint32(0);
}

/**
 * Reads a packet whose magic was compared. Undefined if it is malformed: of another size, padding that is not 0, or a text that
 * is empty or does not end with a NUL.
 */
export function decode<F extends PacketFields, T extends boolean>(
  row: PacketRow<F, T>,
  packet: Uint8Array,
): Decoded<F, T> | undefined {
  if (row.text ? packet.length < row.size + 2 : packet.length !== row.size) return undefined;
  const view = viewOf(packet);
  const values: Record<string, number> = {};
  for (const [name, { offset, size, zero }] of Object.entries(row.fields)) {
    const value = size === 2 ? view.getUint16(offset) : view.getUint32(offset);
    if (zero !== true) values[name] = value;
    else if (value !== 0) return undefined;
  }
  let text: Uint8Array | undefined;
  if (row.text) {
    if (packet[packet.length - 1] !== 0) return undefined;
    text = packet.slice(row.size, packet.indexOf(0, row.size));
    if (text.length === 0) return undefined;
  }
  // Each field of the row was read, and a text exactly if it has one.
  return { values, text } as unknown as Decoded<F, T>;
}

type Content<F extends PacketFields, T extends boolean> = T extends true
  ? [values: PacketValues<F>, text: Uint8Array]
  : [values: PacketValues<F>];

/** Writes a packet; `text` without its NUL, and none inside. @throws {RangeError} if a value does not fit: a mistake of the caller */
export function encode<F extends PacketFields, T extends boolean>(
  row: PacketRow<F, T>,
  ...[values, text]: Content<F, T>
): Uint8Array {
  if (text?.includes(0)) throw new RangeError("a text with a NUL inside");
  const packet = new Uint8Array(row.size + (text === undefined ? 0 : text.length + 1));
  const view = viewOf(packet);
  view.setUint32(0, row.magic);
  for (const [name, { offset, size, zero }] of Object.entries(row.fields)) {
    const value = zero ? 0 : Number(Reflect.get(values, name));
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size)) {
      throw new RangeError(`${name} of ${value} does not fit ${size} bytes`);
    }
    if (size === 2) view.setUint16(offset, value);
    else view.setUint32(offset, value);
  }
  if (text !== undefined) packet.set(text, row.size);
  return packet;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
