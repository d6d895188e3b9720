/**
 * Text from an image or a command line, safe on a terminal: control characters (which could move the cursor or set the
 * window's title), characters that turn the direction of writing, and bytes that are not UTF-8 become \xNN or \u{N}.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\udc80-\udcff\ufeff\\]/gu;

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A string with what is unsafe escaped; backslashes stay. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (char) => (char === "\\" ? char : escapeChar(char)));
}

/** A name's bytes with what is unsafe escaped, and backslashes doubled so that the escapes are unambiguous. */
export function printableName(name: Uint8Array): string {
  const text = utf8(name);
  if (text !== undefined) return text.replace(UNSAFE, (char) => (char === "\\" ? "\\\\" : escapeChar(char)));
  let escaped = "";
  for (let at = 0; at < name.length; ) {
    const length = sequenceLength(name, at);
    if (length === 0) escaped += escapeByte(name[at]!);
    else escaped += printableName(name.subarray(at, at + length));
    at += Math.max(length, 1);
  }
  return escaped;
}

/** Of these, what JSON.stringify leaves as it is. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** A value as JSON that is safe on a terminal, and the same to whoever parses it. */
export function json(value: unknown, indent = 0): string {
  const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, undefined, indent).replace(UNSAFE_IN_JSON, escaped);
}

/** The bytes as text, undefined if they are not UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

function escapeChar(char: string): string {
  if (char === "\n") return "\\n";
  if (char === "\t") return "\\t";
  const point = char.codePointAt(0)!;
  if (point >= 0xdc80 && point <= 0xdcff) return escapeByte(point - 0xdc00); // see nameToString
  return point < 0x80 ? escapeByte(point) : `\\u{${point.toString(16)}}`;
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** Bytes of the UTF-8 character at `at`, 0 when there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    if (utf8(bytes.subarray(at, at + length)) !== undefined) return length;
  }
  return 0;
}
