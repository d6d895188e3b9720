import type { FuseClient } from "@bulkhead/fuse/client";
import { type ImageNode, statsOf } from "../node.js";

const FS_IOC_GETVERSION = 0x8008_7601;
const EIO = -5;
const ENOSYS = -38;
const ESTALE = -116;
const NOTHING = new Uint8Array(0);

/**
 * Asks the server to open a file before its data is touched: encrypted ones do not, without a key. A server that has no
 * opinion is asked once. It keeps nothing of an open file, so none is released.
 *
 * Nor does it keep a file that has lost its last name: its number is soon another's, which who still has its node is not to read or write.
 */
export class Opens {
  readonly #client: FuseClient;
  #isUnasked = false;
  /** Number of the last request before a node was removed. */
  #removedAt = -1;

  constructor(client: FuseClient) {
    this.#client = client;
  }

  /** @returns 0, or the negative errno that open(2) gives; ESTALE for a node whose number is another file's by now */
  check(node: ImageNode): number {
    const failure = node.asOf <= this.#removedAt ? this.renew(node) : 0;
    if (failure !== 0) return failure;
    if (this.#isUnasked || node.isOpen) return 0;
    const { error } = this.#client.call("OPEN", node.id, {});
    if (error === ENOSYS) this.#isUnasked = true;
    else if (error !== 0) return error;
    node.isOpen = true;
    return 0;
  }

  /** A node may be gone: what is known of its number by others is looked at again before it is used. */
  removed(): void {
    this.#removedAt = this.#client.requests;
  }

  /** Asks what a node is now. 0, or a negative errno */
  renew(node: ImageNode): number {
    if (node.generation !== undefined) {
      const request = { cmd: FS_IOC_GETVERSION, out_size: 4 };
      const { error, data } = this.#client.call("IOCTL", node.id, { request, data: NOTHING });
      if (error !== 0) return error;
      if (data.length < 4) return EIO;
      if (new DataView(data.buffer, data.byteOffset).getUint32(0, true) !== node.generation) return ESTALE;
    }
    const { error, out } = this.#client.call("GETATTR", node.id, {});
    const [reply] = out;
    if (error !== 0 || reply === undefined) return error || EIO;
    node.update(statsOf(reply.attr), this.#client.requests);
    return 0;
  }
}
