/** Keeps the serving thread where its client is. */
export interface ClientFollower {
  /** Requests until the next `observe`; counted down by the loop. */
  credit: number;
  /** Looks at a request, and may move the calling thread. Sets `credit` anew. */
  observe(request: Uint8Array): void;
  /** Lets the calling thread float again. */
  release(): void;
}

export class CpuFollower implements ClientFollower {
  credit = 64;
  observe(_request: Uint8Array): void {
    this.credit = 64;
  }
  release(): void {}
}
