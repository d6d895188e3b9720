/** What somebody tries who has taken the server's process over: any system call, with any arguments, in the process's own name. */
import { addressOf, errnoName } from "@bulkhead/linux";
import koffi from "koffi";
import { type CallName, numberOf } from "./call-numbers.js";

/** A number, memory, or a path. */
export type Argument = number | bigint | Uint8Array | string;

/** What an attacker finds: what a server has, and what is around it. */
export interface Surroundings {
  /** The device's descriptor: an image file, open for writing; and its size. */
  readonly image: number;
  readonly imageSize: number;
  /** The server's end of the connection to the helper. */
  readonly socket: number;
  /** Another connected socket that happens to be open. */
  readonly otherSocket: number;
  /** A directory that happens to be open, and its path: anybody may write to it. */
  readonly directory: number;
  readonly scratch: string;
  /** Another process, and an address in its memory. */
  readonly victim: number;
  readonly address: number;
  /** A network namespace that happens to be open. */
  readonly namespace: number;
  /** A program, in memory. */
  readonly program: Uint8Array;
}

/** How an attempt ends: the errno's or the signal's name, or `done`. */
export type Outcome = string;

export interface Attempt {
  readonly name: string;
  /** How it ends once the server has locked itself down. */
  readonly outcome: Outcome;
  /** Only this machine has it. */
  readonly only?: "x64";
  /** Where nothing stops it, it ends otherwise: this kernel may lack it. Default `done`. */
  readonly without?: "reaches the kernel";
  readonly run: (around: Surroundings) => number;
}

export interface AttemptGroup {
  readonly name: string;
  /** The file system begins at this byte of the image. Default 0. */
  readonly start?: number;
  /** Runs in a server without a just-in-time compiler, as the paranoid profile has it. */
  readonly jitless?: boolean;
  readonly attempts: readonly Attempt[];
}

const libc = koffi.load(null);
const word = "int64_t";
const syscall: (...args: (number | bigint)[]) => number = libc.func("syscall", word, Array(7).fill(word));
/** Paths and buffers whose addresses the kernel was given. */
const kept: Uint8Array[] = [];

/** The system call's result, or −errno. */
export function call(name: CallName, ...args: readonly Argument[]): number {
  return callNumber(numberOf(name), ...args);
}

export function callNumber(number: number, ...args: readonly Argument[]): number {
  const words = [0, 1, 2, 3, 4, 5].map((i) => asWord(args[i] ?? 0));
  const result = syscall(number, ...words);
  return result === -1 ? -koffi.errno() : Number(result);
}

function asWord(argument: Argument): number | bigint {
  if (typeof argument === "number" || typeof argument === "bigint") return argument;
  const bytes = typeof argument === "string" ? Buffer.from(`${argument}\0`) : argument;
  kept.push(bytes);
  return addressOf(bytes, 0, bytes.length);
}

/** The address of memory, for structures that hold one. */
export function pointer(argument: Uint8Array | string): bigint {
  return BigInt(asWord(argument));
}

/** Machine code, run in this process; its result in the register for results. */
export function execute(code: Uint8Array): number {
  const PROT_ALL = 7;
  const MAP_PRIVATE_ANONYMOUS = 0x22;
  const address = call("mmap", 0, 4096, PROT_ALL, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (address < 0) return address;
  new Uint8Array(koffi.view(BigInt(address), code.length)).set(code);
  return koffi.call(BigInt(address), koffi.proto("int attack()")) as number;
}

/** A function of the C library. */
export function library(declaration: string): (...args: unknown[]) => number {
  return libc.func(declaration);
}

export function outcomeOf(result: number): Outcome {
  return result < 0 ? errnoName(result) : "done";
}

/** Little-endian words of 64 bits, one after another. */
export function words(...values: readonly (number | bigint)[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values, (value) => BigInt.asUintN(64, BigInt(value))).buffer);
}
