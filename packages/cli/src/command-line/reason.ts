import { messageOf } from "./errors.js";

/** A failed system call's reason in words. */
export function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException | undefined)?.code) {
    case "ENOENT":
      return "there is no such file or directory";
    case "ENOTDIR":
      return "it is no directory";
    case "EISDIR":
      return "it is a directory";
    case "EEXIST":
      return "it is there already";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "ENOSPC":
      return "no space is left";
    case "EROFS":
      return "the file system there is read-only";
    case "ENAMETOOLONG":
      return "the path is too long";
    default:
      return messageOf(error);
  }
}
