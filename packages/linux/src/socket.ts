import { Errno } from "./errno.js";
import { orThrow } from "./error.js";
import { IoVector } from "./iovec.js";
import { addressOf, bare, lastErrno, native } from "./libc.js";

/** Types of a local socket. */
export const SocketType = { STREAM: 1, SEQPACKET: 5 } as const;

/** Flags of sendmsg and recvmsg. */
export const MessageFlag = {
  DONTWAIT: 0x40,
  PEEK: 0x02,
  TRUNC: 0x20,
  CTRUNC: 0x08,
  EOR: 0x80,
  NOSIGNAL: 0x4000,
  CMSG_CLOEXEC: 0x40000000,
} as const;

const AF_UNIX = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
/** `struct ucred`. */
const UCRED = 12;
/** What the kernel accepts in one message (SCM_MAX_FD). */
const MAX_FDS = 253;
const MSGHDR = 56;
const CMSGHDR = 16;

const cSocketpair = native<[number, number, number, Uint8Array]>("socketpair", "int", ["int", "int", "int", "void *"]);
const cSendmsg = native<[number, Uint8Array, number]>("sendmsg", "int64_t", ["int", "void *", "int"]);
const cRecvmsg = native<[number, Uint8Array, number]>("recvmsg", "int64_t", ["int", "void *", "int"]);

const cSetsockopt = native<[number, number, number, Uint8Array, number]>("setsockopt", "int", [
  "int",
  "int",
  "int",
  "void *",
  "uint",
]);

const SO_RCVTIMEO = 20;
const TIMEVAL = 16;

/** Has calls that wait for a message give up with −EAGAIN after so many milliseconds; 0: never. */
export function setReceiveTimeout(fd: number, milliseconds: number): void {
  const time = new Uint8Array(TIMEVAL);
  const view = new DataView(time.buffer);
  view.setUint32(0, Math.floor(milliseconds / 1000), true);
  view.setUint32(8, (milliseconds % 1000) * 1000, true);
  orThrow(cSetsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, time, TIMEVAL), "setsockopt", fd);
}

/** Two connected local sockets, both close-on-exec. */
export function socketpair(type: number): [number, number] {
  const pair = new Uint8Array(8);
  orThrow(cSocketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), "socketpair");
  const view = new DataView(pair.buffer);
  return [view.getInt32(0, true), view.getInt32(4, true)];
}

/** Sends `bytes` together with open descriptors (SCM_RIGHTS). The number of bytes sent, or −errno. */
export function sendMessage(fd: number, bytes: Uint8Array, descriptors: readonly number[], flags = 0): number {
  if (descriptors.length > MAX_FDS) return -Errno.EINVAL;
  const control = new Uint8Array(descriptors.length === 0 ? 0 : controlSpace(descriptors.length));
  if (descriptors.length > 0) {
    const view = new DataView(control.buffer);
    view.setUint32(0, CMSGHDR + 4 * descriptors.length, true);
    view.setInt32(8, SOL_SOCKET, true);
    view.setInt32(12, SCM_RIGHTS, true);
    for (const [i, descriptor] of descriptors.entries()) view.setInt32(CMSGHDR + 4 * i, descriptor, true);
  }
  const vector = new IoVector(1);
  vector.set(0, bytes, 0, bytes.length);
  return cSendmsg(fd, header(vector, control), flags | MessageFlag.NOSIGNAL);
}

/** What `receiveMessage` got. */
export interface Received {
  /** Bytes received into the buffer (0: the peer closed), or −errno. */
  readonly length: number;
  /** Descriptors that came along, close-on-exec; the caller owns and closes them. */
  readonly descriptors: number[];
  /** `MessageFlag` bits: TRUNC if the message was longer than the buffer, CTRUNC if descriptors were dropped. */
  readonly flags: number;
}

/** Receives one message into `bytes`, with up to `maxDescriptors` open descriptors. */
export function receiveMessage(fd: number, bytes: Uint8Array, maxDescriptors: number, flags = 0): Received {
  const control = new Uint8Array(controlSpace(Math.min(maxDescriptors, MAX_FDS)));
  const vector = new IoVector(1);
  vector.set(0, bytes, 0, bytes.length);
  const message = header(vector, control);
  const length = cRecvmsg(fd, message, flags | MessageFlag.CMSG_CLOEXEC);
  if (length < 0) return { length, descriptors: [], flags: 0 };
  const view = new DataView(message.buffer);
  return { length, descriptors: rights(control, view.getUint32(40, true)), flags: view.getInt32(48, true) };
}

/**
 * The process that sent the message which a socket with PASSCRED has next, by its number in this process's namespace; undefined without
 * a message, and for processes that are not to be seen from here. The message stays.
 */
export function senderOf(fd: number): number | undefined {
  const control = new Uint8Array(CMSGHDR + UCRED);
  const vector = new IoVector(1);
  const message = header(vector, control);
  if (cRecvmsg(fd, message, MessageFlag.PEEK | MessageFlag.DONTWAIT | MessageFlag.CMSG_CLOEXEC) < 0) return undefined;
  const view = new DataView(control.buffer);
  if (view.getInt32(8, true) !== SOL_SOCKET || view.getInt32(12, true) !== SCM_CREDENTIALS) return undefined;
  const pid = view.getInt32(CMSGHDR, true);
  return pid > 0 ? pid : undefined;
}

/** The descriptors in a control buffer that the kernel filled with `filled` bytes. */
function rights(control: Uint8Array, filled: number): number[] {
  const view = new DataView(control.buffer);
  const descriptors: number[] = [];
  const end = Math.min(filled, control.length);
  for (let at = 0; at + CMSGHDR <= end; ) {
    const size = view.getUint32(at, true);
    if (size < CMSGHDR || at + size > end) break;
    if (view.getInt32(at + 8, true) === SOL_SOCKET && view.getInt32(at + 12, true) === SCM_RIGHTS) {
      for (let i = at + CMSGHDR; i + 4 <= at + size; i += 4) descriptors.push(view.getInt32(i, true));
    }
    at += (size + 7) & ~7;
  }
  return descriptors;
}

function controlSpace(descriptors: number): number {
  return (CMSGHDR + 4 * descriptors + 7) & ~7;
}

/** A `struct msghdr` of one buffer and a control area; the caller holds on to both during the call. */
function header(vector: IoVector, control: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(MSGHDR);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(16, BigInt(vector.address(1)), true);
  view.setBigUint64(24, 1n, true);
  if (control.length > 0) {
    view.setBigUint64(32, BigInt(addressOf(control, 0, control.length)), true);
    view.setBigUint64(40, BigInt(control.length), true);
  }
  return bytes;
}

const cRecv = bare<[number, number, number, number]>("recv", "int64_t", ["int", "uintptr_t", "size_t", "int"]);
const cSend = bare<[number, number, number, number]>("send", "int64_t", ["int", "uintptr_t", "size_t", "int"]);

/** Hot: receives into a span, with `MessageFlag` bits. Bytes (0: the peer closed) or −errno. */
export function recv(fd: number, bytes: Uint8Array, offset: number, length: number, flags: number): number {
  const n = cRecv(fd, addressOf(bytes, offset, length), length, flags);
  return n < 0 ? -lastErrno() : n;
}

/** Hot: sends a span; a closed peer gives −EPIPE and no signal. Bytes or −errno. */
export function send(fd: number, bytes: Uint8Array, offset: number, length: number, flags = 0): number {
  const n = cSend(fd, addressOf(bytes, offset, length), length, flags | MessageFlag.NOSIGNAL);
  return n < 0 ? -lastErrno() : n;
}
