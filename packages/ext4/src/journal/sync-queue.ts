/** Told that what it waits for is durable (undefined), or why it may not be. */
export type Waiter = (error: unknown) => void;

/** What has to be done so that something is durable; each is more than the one before. */
export const Durability = { flush: 0, fastCommit: 1, commit: 2 } as const;
export type Durability = (typeof Durability)[keyof typeof Durability];

/** Who waits for the next flush or commit: all of them for the same one. */
export class SyncQueue {
  #waiters: Waiter[] = [];
  #wanted: Durability = Durability.flush;

  get isEmpty(): boolean {
    return this.#waiters.length === 0;
  }

  add(waiter: Waiter, wanted: Durability): void {
    this.#waiters.push(waiter);
    if (wanted > this.#wanted) this.#wanted = wanted;
  }

  /** All who wait, and what does for them. */
  take(): { readonly waiters: readonly Waiter[]; readonly wanted: Durability } {
    const taken = { waiters: this.#waiters, wanted: this.#wanted };
    this.#waiters = [];
    this.#wanted = Durability.flush;
    return taken;
  }
}

export function answer(waiters: readonly Waiter[], error: unknown): void {
  for (const waiter of waiters) waiter(error);
}
