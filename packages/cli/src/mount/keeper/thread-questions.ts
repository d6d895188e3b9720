import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";
import { ThreadLookup } from "@bulkhead/fuse";
import { Policy, setPolicy, write } from "@bulkhead/linux";
import { ANSWER, ENDED, LEAVE_IDLE, QUESTION, STOP, TOLD_TO_END } from "@bulkhead/server/contained";

/** Questions a second that are answered: a server asks once in 16 requests at most. What is more is dropped. */
const MOST = 5_000;
const PAUSE = 1_000;

/**
 * The keeper's end of the line to a contained server. It sees no other processes, and may know nothing of them but this: on which
 * CPU did the thread that a request came from run last? (It wants to run there, too.) And it says that it ends. The server is not
 * trusted.
 */
export class ThreadQuestions {
  /** Resolves when the server has let go of its end: it has ended, or will not say anything any more. */
  readonly closed: Promise<void>;
  readonly #stream: Socket;
  readonly #fd: number;
  readonly #threads = new ThreadLookup();
  readonly #said = new Uint8Array(ANSWER);
  readonly #saidView = new DataView(this.#said.buffer);
  /** What was read; it begins with `#rest` bytes of a question that has not come whole. */
  readonly #heard = Buffer.alloc(1024);
  #rest = 0;
  #second = 0;
  #answered = 0;
  #hasEnded = false;
  #onToldToEnd: (() => void) | undefined;
  #wasTold = false;

  readonly #mayPlace: boolean;
  readonly #server: number | undefined;

  /**
   * @param fd a stream socket, which is this one's from here on
   * @param server the process id of the server, whose first thread serves
   */
  constructor(fd: number, server: number | undefined) {
    // Without streams of buffers: what the keeper does on the way costs whoever works on that CPU.
    const options: SocketConstructorOpts & { onread: OnReadOpts } = {
      fd,
      onread: { buffer: () => this.#heard.subarray(this.#rest), callback: (bytes) => this.#take(bytes) },
    };
    const stream = new Socket(options);
    this.#fd = fd;
    this.#stream = stream;
    this.#server = server;
    this.#mayPlace = this.#threads.canLeaveIdle;
    stream.on("error", () => {}); // it ended
    this.closed = new Promise((resolve) => {
      stream.on("close", () => {
        this.#threads.close();
        resolve();
      });
    });
  }

  /** Whether the server has said that it ended in order: everything is where it belongs. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Called once when somebody has told the server to end (SIGTERM): it goes on until its mount is gone. */
  onToldToEnd(call: () => void): void {
    this.#onToldToEnd = call;
    if (this.#wasTold) call();
  }

  /** Has the server stop serving, as if the mount were gone, and bring everything home. */
  stop(): void {
    this.#send(STOP, -1);
  }

  /** @returns whether more is to be read now */
  #take(bytes: number): boolean {
    const heard = this.#heard;
    const length = this.#rest + bytes;
    let at = 0;
    for (; at + QUESTION <= length; at += QUESTION) this.#answer(heard.readInt32LE(at));
    heard.copy(heard, 0, at, length);
    this.#rest = length - at;
    if (this.#answered <= MOST) return true;
    // Whoever asks so much has to wait.
    setTimeout(() => this.#stream.resume(), PAUSE);
    return false;
  }

  #answer(tid: number): void {
    if (tid === ENDED) this.#hasEnded = true;
    else if (tid === TOLD_TO_END) this.#tell();
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#answered = 0;
    }
    if (++this.#answered > MOST) return;
    if (tid > 0) this.#send(tid, this.#mayPlace ? this.#threads.cpuOf(tid) : -1);
    else if (tid === LEAVE_IDLE && this.#mayPlace) this.#normalize();
  }

  #tell(): void {
    if (this.#wasTold) return;
    this.#wasTold = true;
    this.#onToldToEnd?.();
  }

  #normalize(): void {
    try {
      if (this.#server !== undefined) setPolicy(this.#server, Policy.OTHER);
    } catch {
      // It ended.
    }
  }

  /** A server that does not read misses the answers. */
  #send(tid: number, cpu: number): void {
    if (this.#stream.destroyed) return;
    this.#saidView.setInt32(0, tid, true);
    this.#saidView.setInt32(4, cpu, true);
    write(this.#fd, this.#said, 0, ANSWER);
  }
}
