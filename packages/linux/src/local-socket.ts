import { Errno } from "./errno.js";
import { LinuxError, orThrow } from "./error.js";
import { cString, native, type Path, showPath } from "./libc.js";

/** Local sockets by their address: what lies below `socket.ts`'s messages. */
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;

/** Families of socket addresses. */
export const AddressFamily = { UNIX: 1 } as const;

/** Options at the socket level whose value is an int. PASSRIGHTS: Linux 6.16; 0 makes the peer's SCM_RIGHTS fail (EPERM). PASSCRED: see `senderOf`. */
export const SocketOption = { TYPE: 3, SNDBUF: 7, RCVBUF: 8, PASSCRED: 16, PASSRIGHTS: 83 } as const;

/** Bytes of a path in `struct sockaddr_un`, its NUL included. */
export const SOCKET_PATH_MAX = 108;

const cSocket = native<[number, number, number]>("socket", "int", ["int", "int", "int"]);
const cConnect = native<[number, Uint8Array, number]>("connect", "int", ["int", "void *", "uint"]);
const cBind = native<[number, Uint8Array, number]>("bind", "int", ["int", "void *", "uint"]);
const cListen = native<[number, number]>("listen", "int", ["int", "int"]);
const cAccept = native<[number, Uint8Array | null, Uint8Array | null, number]>("accept4", "int", [
  "int",
  "void *",
  "void *",
  "int",
]);
const cShutdown = native<[number, number]>("shutdown", "int", ["int", "int"]);
const cName = native<[number, Uint8Array, Uint8Array]>("getsockname", "int", ["int", "void *", "void *"]);
const OPTION: ["int", "int", "int", "void *"] = ["int", "int", "int", "void *"];
const cGetOption = native<[number, number, number, Uint8Array, Uint8Array]>("getsockopt", "int", [...OPTION, "void *"]);
const cSetOption = native<[number, number, number, Uint8Array, number]>("setsockopt", "int", [...OPTION, "uint"]);

/** A local socket of this `SocketType`, close-on-exec. */
export function localSocket(type: number): number {
  return orThrow(cSocket(AddressFamily.UNIX, type | SOCK_CLOEXEC, 0), "socket");
}

/** Connects to the socket at `path`. ENOENT: there is none; ECONNREFUSED: nobody listens; EACCES: it is not writable. */
export function connect(fd: number, path: Path): void {
  const address = socketAddress(path, "connect");
  orThrow(cConnect(fd, address, address.length), "connect", showPath(path));
}

/** Makes the socket file `path`. EADDRINUSE: it exists. */
export function bind(fd: number, path: Path): void {
  const address = socketAddress(path, "bind");
  orThrow(cBind(fd, address, address.length), "bind", showPath(path));
}

/** Lets others connect; at most `backlog` wait. */
export function listen(fd: number, backlog: number): void {
  orThrow(cListen(fd, backlog), "listen", fd);
}

/** The next connection, close-on-exec; waits for one unless `fd` is non-blocking (EAGAIN). */
export function accept(fd: number): number {
  return orThrow(cAccept(fd, null, null, SOCK_CLOEXEC), "accept4", fd);
}

/** Ends both directions: the peer reads the end, and what it sends is EPIPE. */
export function shutdown(fd: number): void {
  orThrow(cShutdown(fd, 2 /* SHUT_RDWR */), "shutdown", fd);
}

/** The `AddressFamily` of a socket. ENOTSOCK: it is none. */
export function addressFamily(fd: number): number {
  const address = new Uint8Array(128);
  orThrow(cName(fd, address, Uint8Array.of(address.length, 0, 0, 0)), "getsockname", fd);
  return new DataView(address.buffer).getUint16(0, true);
}

/** A `SocketOption`. */
export function getSocketOption(fd: number, option: number): number {
  const value = new Uint8Array(4);
  orThrow(cGetOption(fd, SOL_SOCKET, option, value, Uint8Array.of(4, 0, 0, 0)), "getsockopt", fd);
  return new DataView(value.buffer).getInt32(0, true);
}

/** Sets a `SocketOption`. ENOPROTOOPT: this kernel has no such option. */
export function setSocketOption(fd: number, option: number, value: number): void {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  orThrow(cSetOption(fd, SOL_SOCKET, option, bytes, 4), "setsockopt", fd);
}

/** `struct sockaddr_un`. @throws {LinuxError} ENAMETOOLONG: the path and its NUL take more than `SOCKET_PATH_MAX` */
function socketAddress(path: Path, syscall: string): Uint8Array {
  const text = cString(path, syscall);
  if (text.length > SOCKET_PATH_MAX) throw new LinuxError(syscall, Errno.ENAMETOOLONG, showPath(path));
  const address = new Uint8Array(2 + text.length);
  address[0] = AddressFamily.UNIX;
  address.set(text, 2);
  return address;
}
