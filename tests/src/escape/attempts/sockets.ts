import { type Attempt, type AttemptGroup, call, pointer, words } from "../attempt.js";

const families = { UNIX: 1, INET: 2, INET6: 10, NETLINK: 16, PACKET: 17, ALG: 38, VSOCK: 40 };
const STREAM = 1;
const DATAGRAM = 2;
const SEQPACKET = 5;
const DONTWAIT = 0x40;
const typeOf: Readonly<Record<string, number>> = { NETLINK: 3, PACKET: 3, ALG: SEQPACKET };

const opened = Object.entries(families).map(
  ([name, family]): Attempt => ({
    name: `make a socket of AF_${name}`,
    outcome: "SIGSYS",
    ...(name === "ALG" || name === "VSOCK" ? { without: "reaches the kernel" } : {}),
    run: () => call("socket", family, typeOf[name] ?? STREAM, 0),
  }),
);

/** struct sockaddr_in of 127.0.0.1, port 9. */
const LOOPBACK = Uint8Array.of(2, 0, 0, 9, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
/** struct sockaddr_un of an abstract name. */
const ABSTRACT = Uint8Array.of(1, 0, 0, ...Buffer.from("bulkhead-escape"));

/** A struct msghdr that sends one byte. */
function message(): Uint8Array {
  return words(0, 0, pointer(words(pointer(new Uint8Array(1)), 1)), 1, 0, 0, 0);
}

export const sockets: AttemptGroup = {
  name: "Network and sockets",
  attempts: [
    ...opened,
    {
      name: "make a pair of sockets",
      outcome: "SIGSYS",
      run: () => call("socketpair", families.UNIX, DATAGRAM, 0, new Uint8Array(8)),
    },
    {
      name: "connect to a port, with a socket that happens to be open",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ otherSocket }) => call("connect", otherSocket, LOOPBACK, LOOPBACK.length),
    },
    {
      name: "bind the helper's socket to a name",
      outcome: "SIGSYS",
      run: ({ socket }) => call("bind", socket, ABSTRACT, ABSTRACT.length),
    },
    {
      name: "listen on it",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ socket }) => call("listen", socket, 1),
    },
    {
      name: "accept on it",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ socket }) => call("accept4", socket, 0, 0, 0),
    },
    {
      name: "send a message on another socket than the helper's",
      outcome: "SIGSYS",
      run: ({ otherSocket }) => call("sendmsg", otherSocket, message(), 0),
    },
    {
      name: "send to an address",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ socket }) => call("sendto", socket, new Uint8Array(1), 1, 0, ABSTRACT, ABSTRACT.length),
    },
    {
      name: "have the helper send another descriptor, and take it",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ socket }) => call("recvmsg", socket, message(), DONTWAIT),
    },
    {
      name: "attach a program to the helper's socket",
      outcome: "ENOPROTOOPT",
      run: ({ socket }) => {
        const returnAll = words(0xffff_ffff_0000_0006n);
        return call("setsockopt", socket, 1, 26, words(1, pointer(returnAll)), 16);
      },
    },
  ],
};
