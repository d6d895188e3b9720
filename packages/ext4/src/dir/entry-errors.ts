import { FileSystemError } from "../errors.js";
import type { Inode } from "../inode/inode.js";

export function alreadyThere(dir: Inode): FileSystemError {
  return new FileSystemError("EEXIST", `the name is in directory ${dir.ino} already`);
}

export function noKey(dir: Inode): FileSystemError {
  return new FileSystemError("ENOKEY", `directory ${dir.ino} is encrypted`);
}
