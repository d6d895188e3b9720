// The number of a closed descriptor is soon somebody else's.
import assert from "node:assert/strict";
import { fstatSync } from "node:fs";
import { describe, it } from "node:test";
import { DeviceTransport, SocketTransport, ThreadPlacement, Wakeup } from "@bulkhead/fuse";
import { SocketChannel } from "@bulkhead/fuse/client";
import { close, Errno, MessageFlag, recv, SocketType, socketpair } from "@bulkhead/linux";

const pair = () => socketpair(SocketType.SEQPACKET);

/** Both ends of sockets: these get the numbers that have become free. */
function somebodyElse(): { readonly fds: readonly number[]; close(): void } {
  const fds = [...pair(), ...pair()];
  return {
    fds,
    close() {
      for (const fd of fds) close(fd);
    },
  };
}

describe("closing twice", { skip: process.platform !== "linux" && "descriptors are Linux's here" }, () => {
  const closers: Record<string, (fd: number) => { close(): void }> = {
    "a transport of a device": (fd) => new DeviceTransport(fd),
    "a transport of a socket": (fd) => new SocketTransport(fd),
    "a client's channel": (fd) => new SocketChannel(fd),
    "a wakeup": (fd) => new Wakeup({ fd, state: new SharedArrayBuffer(4) }),
    "a thread's placement": (fd) => {
      close(fd); // it opens a file of its own, by this number
      return new ThreadPlacement();
    },
  };
  for (const [name, open] of Object.entries(closers)) {
    it(`${name} closes nobody else's descriptor`, () => {
      const [theirs, ours] = pair();
      const closed = open(ours);
      closed.close();
      const others = somebodyElse();
      try {
        closed.close();
        for (const fd of others.fds) assert.ok(fstatSync(fd).isSocket());
      } finally {
        others.close();
        close(theirs);
      }
    });
  }

  for (const Transport of [DeviceTransport, SocketTransport]) {
    it(`a closed ${Transport.name} writes to nobody else's`, () => {
      const [theirs, ours] = pair();
      const transport = new Transport(ours);
      transport.close();
      const others = somebodyElse();
      try {
        assert.equal(transport.write(new Uint8Array(16), 16), -Errno.ENODEV);
      } finally {
        others.close();
        close(theirs);
      }
    });
  }

  it("a wakeup that is closed writes to nobody else's", () => {
    const wakeup = new Wakeup();
    wakeup.close();
    const ends = pair();
    try {
      wakeup.wake();
      wakeup.stop();
      for (const end of ends) assert.equal(recv(end, new Uint8Array(8), 0, 8, MessageFlag.DONTWAIT), -Errno.EAGAIN);
    } finally {
      for (const end of ends) close(end);
    }
  });
});
