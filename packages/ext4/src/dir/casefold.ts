import { COMMON_FOLDINGS, FULL_FOLDINGS, UNASSIGNED } from "./casefold-table.js";

/** Room for the folded form of the longest name: no character grows more than fourfold. */
export const FOLDED_MAX = 1024;

/** Folds a whole name; see casefoldRange. */
export function casefold(name: Uint8Array, out: Uint8Array): number {
  return casefoldRange(name, 0, name.length, out);
}

/**
 * Folds the name `name[start, end)` as the kernel's utf8_casefold does with Unicode 12.1: canonical decomposition, without
 * ignorable characters, and full case folding; in UTF-8. Characters that are newer than that stand for themselves.
 *
 * @param out FOLDED_MAX bytes
 * @returns bytes written, or -1 when the name is no UTF-8
 */
export function casefoldRange(name: Uint8Array, start: number, end: number, out: Uint8Array): number {
  for (let i = start; i < end; i++) {
    const byte = name[i]!;
    if (byte >= 0x80) return foldText(name, start, end, out);
    out[i - start] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
  }
  return end - start;
}

function foldText(name: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let text = "";
  let segment = "";
  for (let at = start; at < end; ) {
    const size = sequenceLength(name, at, end);
    if (size === 0) return -1;
    const codePoint = decode(name, at, size);
    at += size;
    // Both kinds end a run of combining marks: marks are put in order on either side alone. An ignorable character then
    // vanishes. Of an unassigned one, whatever a later Unicode says must not count: it does not decompose.
    const ignored = isIgnorable(codePoint);
    if (ignored || (codePoint >= 0x80 && inRanges(unassigned(), codePoint))) {
      text += segment.normalize("NFD");
      if (!ignored) text += String.fromCodePoint(codePoint);
      segment = "";
    } else segment += fold(codePoint);
  }
  return encode(text + segment.normalize("NFD"), out);
}

/** Length of the well-formed UTF-8 sequence at `at`: no overlong forms, surrogates or code points above 0x10FFFF; 0 if there is none. */
function sequenceLength(name: Uint8Array, at: number, end: number): number {
  const first = name[at]!;
  if (first < 0x80) return 1;
  const size =
    first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) === 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  if (size === 0 || at + size > end) return 0;
  for (let i = 1; i < size; i++) if ((name[at + i]! & 0xc0) !== 0x80) return 0;
  const second = name[at + 1]!;
  if (first === 0xe0 && second < 0xa0) return 0;
  if (first === 0xed && second > 0x9f) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  return size;
}

function decode(name: Uint8Array, at: number, size: number): number {
  if (size === 1) return name[at]!;
  let codePoint = name[at]! & (0xff >> (size + 1));
  for (let i = 1; i < size; i++) codePoint = (codePoint << 6) | (name[at + i]! & 0x3f);
  return codePoint;
}

/** Case folding of one assigned character, and of what it decomposes to if it has none itself. */
function fold(codePoint: number): string {
  if (codePoint < 0x80) {
    return String.fromCharCode(codePoint >= 0x41 && codePoint <= 0x5a ? codePoint | 0x20 : codePoint);
  }
  const folded = foldings().get(codePoint);
  if (folded !== undefined) return folded;
  const character = String.fromCodePoint(codePoint);
  const decomposed = character.normalize("NFD");
  if (decomposed === character) return character;
  let result = "";
  for (const part of decomposed) result += foldings().get(part.codePointAt(0)!) ?? part;
  return result;
}

function encode(text: string, out: Uint8Array): number {
  let length = 0;
  for (const character of text) {
    const codePoint = character.codePointAt(0)!;
    if (length + 4 > out.length) return -1;
    if (codePoint < 0x80) out[length++] = codePoint;
    else {
      const size = codePoint < 0x800 ? 2 : codePoint < 0x1_0000 ? 3 : 4;
      out[length] = (0xf00 >> size) | (codePoint >> (6 * (size - 1)));
      for (let i = 1; i < size; i++) out[length + i] = 0x80 | ((codePoint >> (6 * (size - 1 - i))) & 0x3f);
      length += size;
    }
  }
  return length;
}

/** Default_Ignorable_Code_Point of Unicode 12.1: first and last of each range. */
const ignorable = new Uint32Array([
  0xad, 0xad, 0x34f, 0x34f, 0x61c, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180e, 0x200b, 0x200f, 0x202a,
  0x202e, 0x2060, 0x206f, 0x3164, 0x3164, 0xfe00, 0xfe0f, 0xfeff, 0xfeff, 0xffa0, 0xffa0, 0xfff0, 0xfff8, 0x1bca0,
  0x1bca3, 0x1d173, 0x1d17a, 0xe0000, 0xe0fff,
]);

function isIgnorable(codePoint: number): boolean {
  return codePoint >= 0xad && inRanges(ignorable, codePoint);
}

/** Whether a sorted list of first and last code points holds this one. */
function inRanges(ranges: Uint32Array, codePoint: number): boolean {
  let low = 0;
  let high = (ranges.length >> 1) - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (codePoint < ranges[2 * middle]!) high = middle - 1;
    else if (codePoint > ranges[2 * middle + 1]!) low = middle + 1;
    else return true;
  }
  return false;
}

// The tables are unpacked when the first name that is not ASCII asks for them: few images have case-insensitive directories.
let unpackedFoldings: Map<number, string> | undefined;
let unpackedUnassigned: Uint32Array | undefined;

function foldings(): Map<number, string> {
  if (unpackedFoldings !== undefined) return unpackedFoldings;
  const map = new Map<number, string>();
  let start = 0;
  for (const [gap, packed, difference] of unpack(COMMON_FOLDINGS)) {
    start += gap!;
    const step = (packed! & 1) + 1;
    for (let i = 0; i < packed! >> 1; i++) {
      map.set(start + i * step, String.fromCodePoint(start + i * step + difference!));
    }
  }
  for (const [codePoint, ...folded] of unpack(FULL_FOLDINGS)) map.set(codePoint!, String.fromCodePoint(...folded));
  unpackedFoldings = map;
  return map;
}

function unassigned(): Uint32Array {
  if (unpackedUnassigned !== undefined) return unpackedUnassigned;
  const ranges: number[] = [];
  let at = 0;
  for (const [gap, more] of unpack(UNASSIGNED)) {
    const first = at + gap!;
    at = first + (more ?? 0);
    ranges.push(first, at);
  }
  unpackedUnassigned = Uint32Array.from(ranges);
  return unpackedUnassigned;
}

function unpack(table: string): number[][] {
  return table.split(" ").map((run) => run.split(",").map((number) => Number.parseInt(number, 36)));
}
