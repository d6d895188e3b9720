import { messageOf } from "../command-line/errors.js";

/** Why something could not be mounted, and what to do about it. */
export function explain(error: unknown): string {
  const message = messageOf(error);
  if (!message.includes("/dev/fuse")) return message;
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
    case "ENODEV":
    case "ENXIO":
      return `${message}; is FUSE there? (modprobe fuse)`;
    case "EACCES":
    case "EPERM":
      return `${message}; this user has no right to it (most systems give it to everybody: chmod 666 /dev/fuse)`;
    default:
      return message;
  }
}
