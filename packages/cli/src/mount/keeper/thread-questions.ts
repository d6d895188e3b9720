import type { Duplex } from "node:stream";
import { ThreadLookup } from "@bulkhead/fuse";
import { Policy, setPolicy } from "@bulkhead/linux";
import { ANSWER, LEAVE_IDLE, QUESTION, STOP } from "@bulkhead/server/contained";

/** Questions a second that are answered: a server asks once in 16 requests at most. What is more is dropped. */
const MOST = 5_000;
const PAUSE = 1_000;

/**
 * The keeper's end of the line to a contained server. It sees no other processes, and may know nothing of them but this: on which
 * CPU did the thread that a request came from run last? (It wants to run there, too.) The server is not trusted.
 */
export class ThreadQuestions {
  readonly #stream: Duplex;
  readonly #threads = new ThreadLookup();
  #rest: Buffer = Buffer.alloc(0);
  #second = 0;
  #answered = 0;

  readonly #mayPlace: boolean;
  readonly #server: () => number | undefined;

  /** @param server the process id of the server, whose first thread serves */
  constructor(stream: Duplex, server: () => number | undefined) {
    this.#stream = stream;
    this.#server = server;
    this.#mayPlace = this.#threads.canLeaveIdle;
    stream.on("data", (bytes: Buffer) => this.#take(bytes));
    stream.on("error", () => {}); // it ended
    stream.on("close", () => this.#threads.close());
  }

  /** Has the server stop serving, as if the mount were gone, and bring everything home. */
  stop(): void {
    this.#send(STOP, -1);
  }

  #take(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (; at + QUESTION <= all.length; at += QUESTION) this.#answer(all.readInt32LE(at));
    this.#rest = all.subarray(at);
    // Whoever asks so much has to wait.
    if (this.#answered > MOST) {
      this.#stream.pause();
      setTimeout(() => this.#stream.resume(), PAUSE);
    }
  }

  #answer(tid: number): void {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#answered = 0;
    }
    if (++this.#answered > MOST) return;
    if (tid > 0) this.#send(tid, this.#mayPlace ? this.#threads.cpuOf(tid) : -1);
    else if (tid === LEAVE_IDLE && this.#mayPlace) this.#normalize();
  }

  #normalize(): void {
    const pid = this.#server();
    try {
      if (pid !== undefined) setPolicy(pid, Policy.OTHER);
    } catch {
      // It ended.
    }
  }

  #send(tid: number, cpu: number): void {
    // A server that does not read has no answers to wait for.
    if (this.#stream.destroyed || this.#stream.writableLength > 0) return;
    const answer = Buffer.alloc(ANSWER);
    answer.writeInt32LE(tid, 0);
    answer.writeInt32LE(cpu, 4);
    this.#stream.write(answer);
  }
}
