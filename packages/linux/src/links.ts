import { native } from "./libc.js";

/* Calls that both paths (names.ts) and names in open directories (at.ts) go to. */

export const AT_FDCWD = -100;
export const AT_SYMLINK_FOLLOW = 0x400;

type Bytes = Uint8Array;
export const cRename = native<[number, Bytes, number, Bytes, number]>("renameat2", "int", [
  "int",
  "void *",
  "int",
  "void *",
  "uint",
]);
export const cLink = native<[number, Bytes, number, Bytes, number]>("linkat", "int", [
  "int",
  "void *",
  "int",
  "void *",
  "int",
]);
