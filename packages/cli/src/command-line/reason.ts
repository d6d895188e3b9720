import { messageOf } from "./errors.js";

/** Why a system call on the host, or the same on an image, failed: in words. */
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
      if ((error as { operation?: unknown }).operation !== "SETXATTR") return "no space is left";
      return "no space is left for its extended attributes: without the feature ea_inode, they have a block";
    case "EROFS":
      return "the file system there is read-only";
    case "ELOOP":
      return "too many symbolic links";
    case "ENAMETOOLONG":
      return "a name or path is too long";
    case "EIO":
      return "an input/output error";
    case "EUCLEAN":
      return "corrupt: the file system is damaged there";
    case "ENOTEMPTY":
      return "the directory is not empty";
    case "EFBIG":
      return "it would be larger than the file system can hold";
    case "EMLINK":
      return "it can have no more links";
    case "EDQUOT":
      return "a quota is exhausted";
    case "ENOKEY":
      return "it is encrypted, and there is no key";
    default:
      return messageOf(error);
  }
}
