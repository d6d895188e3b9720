/** What was made durable, and whether it is there: the contract of fsync(2), one note at a time. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { pattern } from "../model/contents.js";

/** Something that holds from the moment the note was written, which is after the fsync that made it so. */
export type Note =
  /** A file with exactly these contents. */
  | { readonly kind: "file"; readonly path: string; readonly size: number; readonly sha256: string }
  /** A file that begins so; more may have been appended since. */
  | { readonly kind: "prefix"; readonly path: string; readonly size: number; readonly sha256: string }
  /** What was noted of this path holds no longer: it is about to be changed. */
  | { readonly kind: "released"; readonly path: string }
  /** No file of this name. */
  | { readonly kind: "gone"; readonly path: string }
  /** A file replaced by rename(2): this version or a later one, whole. */
  | { readonly kind: "version"; readonly path: string; readonly version: number }
  /** A block of a file that is overwritten in place: this version or a later one. */
  | { readonly kind: "slot"; readonly path: string; readonly slot: number; readonly version: number }
  /** A sqlite database with at least so many rows. */
  | { readonly kind: "rows"; readonly path: string; readonly rows: number }
  /** A git repository with this commit. */
  | { readonly kind: "commit"; readonly path: string; readonly commit: string };

export const SLOT_SIZE = 4096;
const VERSION_DIGITS = 12;

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Contents that tell which version they are, and whether they are whole. */
export function versionBytes(version: number, length: number): Buffer {
  const bytes = pattern(version, length);
  bytes.write(String(version).padStart(VERSION_DIGITS, "0"), 0, "latin1");
  return bytes;
}

/** Length of a version of a file that is replaced. */
export function versionLength(version: number): number {
  return 100 + ((version * 7919) % 50_000);
}

/** Writes notes to a file outside of what is tested. */
export class Notebook {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, "a");
  }

  write(note: Note): void {
    writeSync(this.#fd, `${JSON.stringify(note)}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The notes of a notebook; a last line that was cut off does not count. */
export function readNotes(path: string): Note[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Note);
}

/** Reads files of an image after a crash. */
export interface Reader {
  /** Undefined when there is no such file. */
  read(path: string): Uint8Array | undefined;
}

/** The notes that still say something: of each path, or block of it, the last one. */
export function lastNotes(notes: readonly Note[]): Note[] {
  const last = new Map<string, Note>();
  for (const note of notes) last.set(note.kind === "slot" ? `${note.path}#${note.slot}` : note.path, note);
  return [...last.values()];
}

/** What of the notes does not hold, a line each. Databases and repositories are for their own programs to judge. */
export function broken(notes: readonly Note[], reader: Reader): string[] {
  const complaints: string[] = [];
  for (const note of lastNotes(notes)) {
    let complaint: string | undefined;
    try {
      complaint = complaintOf(note, reader);
    } catch (error) {
      complaint = error instanceof Error ? error.message : String(error);
    }
    const where = note.kind === "slot" ? `${note.path}, slot ${note.slot}` : note.path;
    if (complaint !== undefined) complaints.push(`${note.kind} ${where}: ${complaint}`);
  }
  return complaints;
}

function complaintOf(note: Note, reader: Reader): string | undefined {
  if (note.kind === "rows" || note.kind === "commit" || note.kind === "released") return undefined;
  const found = reader.read(note.path);
  if (note.kind === "gone") return found === undefined ? undefined : "is there, although its removal was synced";
  if (found === undefined) return "is missing";
  switch (note.kind) {
    case "file":
      if (found.length !== note.size) return `has ${found.length} bytes, not ${note.size}`;
      return sha256(found) === note.sha256 ? undefined : "has other contents";
    case "prefix":
      if (found.length < note.size) return `has ${found.length} bytes, not ${note.size}`;
      return sha256(found.subarray(0, note.size)) === note.sha256 ? undefined : "begins otherwise";
    case "version":
      return versionComplaint(found, note.version, versionLength);
    case "slot": {
      const start = note.slot * SLOT_SIZE;
      return versionComplaint(found.subarray(start, start + SLOT_SIZE), note.version, () => SLOT_SIZE);
    }
  }
}

function versionComplaint(found: Uint8Array, least: number, length: (version: number) => number): string | undefined {
  const bytes = Buffer.from(found.buffer, found.byteOffset, found.length);
  const version = Number(bytes.toString("latin1", 0, VERSION_DIGITS));
  if (!Number.isInteger(version)) return "is no version at all";
  if (version < least) return `is version ${version}, although ${least} was synced`;
  return bytes.equals(versionBytes(version, length(version))) ? undefined : `version ${version} is not whole`;
}
