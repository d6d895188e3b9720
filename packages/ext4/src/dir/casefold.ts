/** Room for the folded form of the longest name: no character grows more than fourfold. */
export const FOLDED_MAX = 1024;

/** Folds a whole name; see casefoldRange. */
export function casefold(name: Uint8Array, out: Uint8Array): number {
  return casefoldRange(name, 0, name.length, out);
}

/** Folds ASCII only for now. */
export function casefoldRange(name: Uint8Array, start: number, end: number, out: Uint8Array): number {
  for (let i = start; i < end; i++) {
    const byte = name[i]!;
    if (byte >= 0x80) return -1;
    out[i - start] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
  }
  return end - start;
}
