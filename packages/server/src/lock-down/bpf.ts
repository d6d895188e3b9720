/** Classic BPF as seccomp takes it: programs over a `struct seccomp_data`, put together from decisions that each end in an answer. */

/** Instructions whose every path ends in an answer. */
export type Code = readonly Instruction[];

interface Instruction {
  readonly code: number;
  /** How many instructions to skip when the test holds, and when it does not. */
  readonly yes: number;
  readonly no: number;
  readonly k: number;
}

const LD_W_ABS = 0x20;
const JA = 0x05;
const JEQ_K = 0x15;
const JGE_K = 0x35;
const JSET_K = 0x45;
const RET_K = 0x06;

/** What a conditional jump can skip. */
const FARTHEST = 255;

/** What a test asks of the word that was loaded last. */
export interface Test {
  readonly code: number;
  readonly k: number;
}
export const equals = (k: number): Test => ({ code: JEQ_K, k: k >>> 0 });
export const atLeast = (k: number): Test => ({ code: JGE_K, k: k >>> 0 });
export const hasAnyOf = (bits: number): Test => ({ code: JSET_K, k: bits >>> 0 });

export function answer(value: number): Code {
  return [{ code: RET_K, yes: 0, no: 0, k: value >>> 0 }];
}

/** Loads the 32-bit word at a byte offset of `struct seccomp_data`, then goes on. */
export function load(offset: number, then: Code): Code {
  return [{ code: LD_W_ABS, yes: 0, no: 0, k: offset }, ...then];
}

export function when({ code, k }: Test, yes: Code, no: Code): Code {
  if (yes.length <= FARTHEST) return [{ code, yes: 0, no: yes.length, k }, ...yes, ...no];
  return [{ code, yes: 1, no: 0, k }, { code: JA, yes: 0, no: 0, k: yes.length }, ...yes, ...no];
}

/** As the kernel reads it: an array of `struct sock_filter`. */
export function assemble(code: Code): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * code.length));
  for (const [i, { code: operation, yes, no, k }] of code.entries()) {
    view.setUint16(8 * i, operation, true);
    view.setUint8(8 * i + 2, yes);
    view.setUint8(8 * i + 3, no);
    view.setUint32(8 * i + 4, k, true);
  }
  return new Uint8Array(view.buffer);
}
