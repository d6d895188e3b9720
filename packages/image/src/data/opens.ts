import type { FuseClient } from "@bulkhead/fuse/client";
import type { ImageNode } from "../node.js";

const ENOSYS = -38;

/**
 * Asks the server to open a file before its data is touched: encrypted ones do not, without a key. A server that has no
 * opinion is asked once. It keeps nothing of an open file, so none is released.
 */
export class Opens {
  readonly #client: FuseClient;
  #isUnasked = false;

  constructor(client: FuseClient) {
    this.#client = client;
  }

  /** @returns 0, or the negative errno that open(2) gives */
  check(node: ImageNode): number {
    if (this.#isUnasked || node.isOpen) return 0;
    const { error } = this.#client.call("OPEN", node.id, {});
    if (error === ENOSYS) this.#isUnasked = true;
    else if (error !== 0) return error;
    node.isOpen = true;
    return 0;
  }
}
