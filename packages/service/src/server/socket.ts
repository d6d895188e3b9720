import { fstatSync } from "node:fs";
import { AddressFamily, addressFamily, Errno, LinuxError, setCloseOnExec } from "@bulkhead/linux";
import { checkSendBuffer } from "../protocol/index.js";

/** Where socket activation puts the first descriptor. */
const FIRST = 3;

/**
 * The connection on which a service manager (systemd with Accept=yes), or a launcher, started this process; undefined if it was
 * started as an ordinary program. The environment is left as it is, and the descriptor is close-on-exec afterwards.
 *
 * @throws {LinuxError} when this is a service, but not with one connected local socket: E2BIG, EBADF, ENOTSOCK, EAFNOSUPPORT,
 * ENOBUFS
 */
export function findServiceSocket(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  pid: number = process.pid,
): number | undefined {
  const { LISTEN_FDS: count, LISTEN_PID: owner } = environment;
  // A child of the one that was meant inherits the environment, but not the descriptor.
  if (decimal(owner) !== pid) return undefined;
  const descriptors = decimal(count);
  if (descriptors === undefined || descriptors < 1 || descriptors > 0x7fff_ffff) return undefined;
  if (descriptors > 1) throw new LinuxError("listen", Errno.E2BIG, `LISTEN_FDS=${descriptors}: a mount has one socket`);
  if (!fstatSync(statable(FIRST)).isSocket()) throw new LinuxError("listen", Errno.ENOTSOCK, `descriptor ${FIRST}`);
  if (addressFamily(FIRST) !== AddressFamily.UNIX) {
    throw new LinuxError("listen", Errno.EAFNOSUPPORT, `descriptor ${FIRST}`);
  }
  checkSendBuffer(FIRST);
  setCloseOnExec(FIRST, true);
  return FIRST;
}

/** `fd`, or what fstat(2) says of it as a LinuxError. */
function statable(fd: number): number {
  try {
    fstatSync(fd);
    return fd;
  } catch {
    throw new LinuxError("fstat", Errno.EBADF, String(fd));
  }
}

function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}
