import { Errno, LinuxError } from "@bulkhead/linux";
import { magicOf } from "./packets.js";

/*
 * The file in memory that carries a helper's arguments: magic and count, a table of (position, length with the NUL), and
 * the strings, which may leave gaps.
 */
const MAGIC = magicOf("ARGS");
const HEADER = 8;
const ENTRY = 8;

/** Bytes that an argument file may have; more than execve(2) takes in one string, and than any option list needs. */
export const LARGEST_ARGUMENTS = 1 << 20;

/**
 * The content of an argument file. @param given how many arguments the helper itself was given, its name included: it keeps
 * a place in the table for each, also for those that it does not pass on
 */
export function encodeArguments(list: readonly Uint8Array[], given = list.length): Uint8Array {
  let position = HEADER + ENTRY * Math.max(given, list.length);
  const size = list.reduce((sum, { length }) => sum + length + 1, position);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(4, list.length);
  for (const [index, text] of list.entries()) {
    view.setUint32(HEADER + ENTRY * index, position);
    view.setUint32(HEADER + ENTRY * index + 4, text.length + 1);
    bytes.set(text, position);
    position += text.length + 1;
  }
  return bytes;
}

/** The arguments in an argument file, each up to its NUL. @throws {LinuxError} EBADMSG with the rule that was broken */
export function decodeArguments(bytes: Uint8Array): Uint8Array[] {
  const { length: size } = bytes;
  if (size > LARGEST_ARGUMENTS) throw broken(`${size} bytes are too many`);
  if (size < HEADER) throw broken(`${size} bytes hold no header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  if (view.getUint32(0) !== MAGIC) throw broken("wrong magic");
  const count = view.getUint32(4);
  if (HEADER + ENTRY * count > size) throw broken(`a table of ${count} ends outside`);
  const list: Uint8Array[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    const position = view.getUint32(HEADER + ENTRY * index);
    const length = view.getUint32(HEADER + ENTRY * index + 4);
    if (length < 1 || position + length > size) throw broken(`argument ${index} at ${position}+${length} is outside`);
    // Entries may overlap: without a limit on their sum, a small file would decode to a large list.
    total += length;
    if (total > LARGEST_ARGUMENTS) throw broken("the arguments add up to too much");
    const text = bytes.subarray(position, position + length);
    if (text[length - 1] !== 0) throw broken(`argument ${index} does not end with a NUL`);
    list.push(text.slice(0, text.indexOf(0)));
  }
  return list;
}

function broken(rule: string): LinuxError {
  return new LinuxError("read", Errno.EBADMSG, `the mount helper's arguments: ${rule}`);
}
