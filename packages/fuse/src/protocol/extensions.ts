/** The extension area at the end of creating requests (reference: FUSE ABI, "Extensions on creating ops"). */
import { EXT_GROUPS } from "./flags.js";
import { FuseExtHeader, FuseSecctx, FuseSecctxHeader, FuseSuppGroups } from "./structs.js";

/** To be stored as the xattr `name` of the new object, atomically with its creation. */
export interface SecurityContext {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

const NO_CONTEXTS: readonly SecurityContext[] = [];
const NO_GROUPS: readonly number[] = [];
/** A second word up to this is a count of security contexts, above it a block's type. */
const MAX_CONTEXTS = 31;
const padded = (length: number) => Math.ceil(length / 8) * 8;

export class Extensions {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #start = 0;
  #end = 0;
  readonly #block = FuseExtHeader.view();
  readonly #context = FuseSecctx.view();
  readonly #supplementary = FuseSuppGroups.view();

  /** Takes the area [start, end) of a request. Returns false if any block in it is malformed. */
  position(bytes: Uint8Array, view: DataView, start: number, end: number): boolean {
    this.#bytes = bytes;
    this.#view = view;
    this.#start = start;
    this.#end = end;
    if (start === end || this.#walk()) return true;
    this.#end = start;
    return false;
  }

  /** Security contexts for the new object; empty without SECURITY_CTX. Valid during this request. */
  get securityContexts(): readonly SecurityContext[] {
    if (this.#start === this.#end) return NO_CONTEXTS;
    const contexts: SecurityContext[] = [];
    this.#walk(contexts);
    return contexts;
  }

  /** The supplementary group that lets the caller create here (the parent's gid), or nothing. */
  get groups(): readonly number[] {
    if (this.#start === this.#end) return NO_GROUPS;
    const groups: number[] = [];
    this.#walk(undefined, groups);
    return groups;
  }

  #walk(contexts?: SecurityContext[], groups?: number[]): boolean {
    let at = this.#start;
    while (at < this.#end) {
      if (this.#end - at < FuseExtHeader.size) return false;
      const { size, type } = this.#block.at(this.#view, at);
      if (size < FuseExtHeader.size || size % 8 !== 0 || size > this.#end - at) return false;
      if (type <= MAX_CONTEXTS) {
        if (!this.#walkContexts(at, at + size, type, contexts)) return false;
      } else if (type === EXT_GROUPS && !this.#walkGroups(at, at + size, groups)) return false;
      at += size;
    }
    return true;
  }

  #walkContexts(start: number, end: number, count: number, contexts?: SecurityContext[]): boolean {
    let at = start + FuseSecctxHeader.size;
    for (let i = 0; i < count; i++) {
      const nameAt = at + FuseSecctx.size;
      if (nameAt >= end) return false;
      const { size } = this.#context.at(this.#view, at);
      let nul = nameAt;
      while (nul < end && this.#bytes[nul] !== 0) nul++;
      if (nul === nameAt || nul === end || size > end - nul - 1) return false;
      const valueAt = nul + 1;
      contexts?.push({
        name: this.#bytes.subarray(nameAt, nul),
        value: this.#bytes.subarray(valueAt, valueAt + size),
      });
      at += padded(valueAt + size - at);
    }
    return at <= end;
  }

  #walkGroups(start: number, end: number, groups?: number[]): boolean {
    const first = start + FuseExtHeader.size + FuseSuppGroups.size;
    if (first > end) return false;
    const { nr_groups } = this.#supplementary.at(this.#view, start + FuseExtHeader.size);
    if (nr_groups > (end - first) / 4) return false;
    // FuseSuppGroups is one u32, so the same view reads the array that follows it.
    for (let i = 0; i < nr_groups && groups !== undefined; i++) {
      groups.push(this.#supplementary.at(this.#view, first + 4 * i).nr_groups);
    }
    return true;
  }
}
