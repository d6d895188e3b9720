import { writeSync } from "node:fs";
import { printableName } from "./printable.js";

const FLUSH_AT = 64 * 1024;
const encoder = new TextEncoder();
const waiting = new Int32Array(new SharedArrayBuffer(4));

/** Whoever read our output is gone: `bulkhead ls … | head`. Ends the command without a word. */
export class OutputClosed extends Error {}

/**
 * Standard output, collected and written in large pieces, bytes as they are. Waits while the reader is slow, so that memory
 * does not grow.
 */
export class Output {
  readonly isTerminal: boolean;
  readonly #fd: number;
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(fd = 1, isTerminal = process.stdout.isTTY === true) {
    this.#fd = fd;
    this.isTerminal = isTerminal;
  }

  /** Adds text or bytes. The bytes are kept until the next flush, and must stay as they are. */
  write(piece: string | Uint8Array): void {
    const bytes = typeof piece === "string" ? encoder.encode(piece) : piece;
    this.#pieces.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= FLUSH_AT) this.flush();
  }

  line(text = ""): void {
    this.write(`${text}\n`);
  }

  /** Adds a name: escaped on a terminal, else byte for byte. */
  name(name: Uint8Array): void {
    this.write(this.isTerminal ? printableName(name) : name);
  }

  flush(): void {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#length = 0;
    if (pieces.length > 0) writeFully(this.#fd, pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
  }

  /** Writes bytes at once, behind what was collected. The buffer may be reused afterwards. */
  writeNow(bytes: Uint8Array): void {
    this.flush();
    writeFully(this.#fd, bytes);
  }
}

/** Writes text to standard output at once. @throws OutputClosed, and why it could not be written */
export function print(text: string): void {
  writeFully(1, encoder.encode(text));
}

/** Writes text to standard error at once. Where nobody takes it, there is nobody to tell. */
export function complain(text: string): void {
  try {
    writeFully(2, encoder.encode(text));
  } catch {
    // The exit code still tells.
  }
}

function writeFully(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EPIPE") throw new OutputClosed();
      if (code !== "EAGAIN") throw new Error(`cannot write the output: ${(error as Error).message}`);
      Atomics.wait(waiting, 0, 0, 2); // the pipe is full, and somebody made it non-blocking
    }
  }
}
