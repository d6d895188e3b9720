/**
 * Names on disk are bytes; in strings they are UTF-8. Bytes that are no UTF-8 become lone surrogates, byte 0xNN becoming
 * U+DCNN (the "surrogateescape" scheme of Python and others), and turn back into the same bytes in paths. So every name has
 * one string, and every such string one name.
 */

declare class TextDecoder {
  constructor(label: string, options: { fatal: boolean; ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}
declare class TextEncoder {
  encode(text: string): Uint8Array;
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

const ESCAPE = 0xdc00;
const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** The bytes of a name or path as a string. */
export function nameToString(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return decodeWithEscapes(bytes);
  }
}

/** The string's bytes: UTF-8, and of U+DC80 to U+DCFF standing alone the byte that it escapes. */
export function stringToName(text: string): Uint8Array {
  if (!loneSurrogate.test(text)) return encoder.encode(text);
  const bytes: number[] = [];
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff) bytes.push(code - ESCAPE);
    else bytes.push(...encoder.encode(char));
  }
  return Uint8Array.from(bytes);
}

function decodeWithEscapes(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      text += String.fromCharCode(ESCAPE + bytes[at]!);
      at++;
    } else {
      text += strict.decode(bytes.subarray(at, at + length));
      at += length;
    }
  }
  return text;
}

/** Bytes of the UTF-8 sequence at `at`; 0 when there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length < 2) return length;
  try {
    strict.decode(bytes.subarray(at, Math.min(at + length, bytes.length)));
  } catch {
    return 0;
  }
  return length;
}
