import { errnoOf, type FileSystem, type Inode } from "@bulkhead/ext4";
import { type Context, DEFERRED, type DeferredReply, encodeReply } from "@bulkhead/fuse";
import { Errno, write } from "@bulkhead/linux";
import { BackgroundIo } from "./background-io.js";
import type { IoThread } from "./io-thread.js";
import { othersWait } from "./request-queue.js";

const REPLY = 16;

/**
 * fsync while others wait for an answer: the commit's I/O goes to another thread, and all who ask meanwhile share the next commit.
 * A client that is alone is served by the serving thread, which costs it no hand-over. Commits that the clock asks for go to the
 * other thread as well.
 */
export class Durability {
  readonly #fs: FileSystem;
  readonly #thread: IoThread;
  readonly #io: BackgroundIo;
  readonly #connection: () => number;
  readonly #reply = new Uint8Array(REPLY);
  readonly #view = new DataView(this.#reply.buffer);

  /** @param connection where requests come from and replies go */
  constructor(fs: FileSystem, thread: IoThread, connection: () => number) {
    this.#fs = fs;
    this.#thread = thread;
    this.#io = new BackgroundIo(thread);
    this.#connection = connection;
    const { transactions } = fs.volume;
    if (transactions?.journalled === true) transactions.background = this.#io;
  }

  /** To be called when a commit may be through. */
  poll(): void {
    this.#fs.volume.transactions?.poll();
  }

  /**
   * Makes an inode durable, or everything. What a handler returns: 0, or DEFERRED.
   *
   * @param done called when it is, before the answer
   */
  sync(context: Context, inode: Inode | undefined, dataOnly: boolean, done?: () => void): number {
    const { transactions } = this.#fs.volume;
    if (transactions?.background === undefined || !othersWait(this.#connection())) {
      if (inode === undefined) this.#fs.sync();
      else this.#fs.fsync(inode, dataOnly);
      done?.();
      return 0;
    }
    const token = context.defer();
    transactions.syncLater(inode, dataOnly, (error) => {
      if (error === undefined) done?.();
      this.#answer(token, error === undefined ? 0 : -(errnoOf(error) || Errno.EIO));
    });
    return DEFERRED;
  }

  #answer(token: DeferredReply, result: number): void {
    const size = encodeReply(this.#reply, this.#view, token, result);
    // Who asked may have been interrupted, and the mount may be gone: nobody waits then.
    if (size > 0) write(this.#connection(), this.#reply, 0, size);
  }

  /** The kernel at the other end does the file I/O: see IoThread.keepFromRecursion. */
  keepFromRecursion(): void {
    this.#thread.keepFromRecursion(this.#connection());
  }

  /** Commits are this thread's from here on. */
  close(): void {
    const { transactions } = this.#fs.volume;
    if (transactions === undefined) return;
    transactions.wait();
    transactions.background = undefined;
  }
}
