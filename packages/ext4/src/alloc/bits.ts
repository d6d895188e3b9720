/**
 * Bitmaps as ext4 keeps them: bit n is bit n % 8 of byte n / 8, a multiple of 32 bits in all. Ranges are [from, end); everything
 * goes word by word.
 */

const FULL = 0xffff_ffff | 0;

/** Index of the lowest bit that is set in a word other than 0. */
function lowest(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/** The bits of a word from bit `from` on. */
function maskFrom(from: number): number {
  return FULL << (from & 31);
}

/** The first bit of [from, end) that is clear, or `end`. */
export function findClear(view: DataView, from: number, end: number): number {
  if (from >= end) return end;
  let word = from >>> 5;
  let clear = ~view.getInt32(word << 2, true) & maskFrom(from);
  const last = (end - 1) >>> 5;
  while (clear === 0) {
    if (++word > last) return end;
    clear = ~view.getInt32(word << 2, true);
  }
  return Math.min((word << 5) + lowest(clear), end);
}

/** The first bit of [from, end) that is set, or `end`. */
export function findSet(view: DataView, from: number, end: number): number {
  if (from >= end) return end;
  let word = from >>> 5;
  let set = view.getInt32(word << 2, true) & maskFrom(from);
  const last = (end - 1) >>> 5;
  while (set === 0) {
    if (++word > last) return end;
    set = view.getInt32(word << 2, true);
  }
  return Math.min((word << 5) + lowest(set), end);
}

export function setBits(view: DataView, from: number, end: number): void {
  for (let at = from; at < end; ) {
    const offset = (at >>> 5) << 2;
    view.setInt32(offset, view.getInt32(offset, true) | maskWithin(at, end), true);
    at = (at | 31) + 1;
  }
}

export function clearBits(view: DataView, from: number, end: number): void {
  for (let at = from; at < end; ) {
    const offset = (at >>> 5) << 2;
    view.setInt32(offset, view.getInt32(offset, true) & ~maskWithin(at, end), true);
    at = (at | 31) + 1;
  }
}

/** The bits of the word of `at` that lie in [at, end). */
function maskWithin(at: number, end: number): number {
  const mask = maskFrom(at);
  const past = end - (at & ~31);
  return past >= 32 ? mask : mask & ~(FULL << past);
}

/** Number of clear bits below `end`. */
export function countClear(view: DataView, end: number): number {
  let clear = 0;
  const whole = end >>> 5;
  for (let word = 0; word < whole; word++) clear += ones(~view.getInt32(word << 2, true));
  if (end & 31) clear += ones(~view.getInt32(whole << 2, true) & ~(FULL << (end & 31)));
  return clear;
}

function ones(word: number): number {
  let n = word - ((word >>> 1) & 0x5555_5555);
  n = (n & 0x3333_3333) + ((n >>> 2) & 0x3333_3333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
