/** The loop on a socket whose other end the test holds: no kernel, no mount. */
import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { describe, test } from "node:test";
import {
  Errno,
  eventfd,
  eventfdDrain,
  eventfdSignal,
  MessageFlag,
  recv,
  SocketType,
  send,
  socketpair,
} from "@bulkhead/linux";
import {
  DEFERRED,
  type DeferredReply,
  encodeRequest,
  MemoryTransport,
  type RequestParts,
  ServingLoop,
  Session,
  SocketTransport,
  Timers,
  Wakeup,
} from "../../src/index.js";

type Operation = "INIT" | "STATFS" | "WRITE" | "FORGET";
function encode<K extends Operation>(name: K, uniqueLo: number, parts: RequestParts<K>): Uint8Array {
  const bytes = new Uint8Array(256);
  return bytes.subarray(0, encodeRequest(bytes, name, { uniqueLo, nodeid: 1 }, parts));
}
const init = (major = 7) => encode("INIT", 2, { request: { major, minor: 40, flags: 0, max_readahead: 4096 } });
const statfs = (uniqueLo: number) => encode("STATFS", uniqueLo, {});

function pair(options: Partial<ConstructorParameters<typeof ServingLoop>[0]> = {}) {
  const [ours, theirs] = socketpair(SocketType.SEQPACKET);
  const session = new Session({ STATFS: () => 0 });
  const loop = new ServingLoop({ session, transport: new SocketTransport(ours), spin: 0, ...options });
  const reply = new Uint8Array(4096);
  const view = new DataView(reply.buffer);
  /** The number of the request that the next reply answers, and its error. */
  const receiveError = (): [number, number] | undefined => {
    const length = recv(theirs, reply, 0, reply.length, 0x40);
    return length < 16 ? undefined : [view.getUint32(8, true), view.getInt32(4, true)];
  };
  const receive = () => receiveError()?.[0];
  const close = () => {
    closeSync(ours);
    loop.wakeup.close();
  };
  return { loop, ours, theirs, receive, receiveError, close };
}

describe("the loop", () => {
  test("answers what is queued, in order, and returns when the peer is gone", () => {
    let serving = 0;
    const { loop, theirs, receive, close } = pair({ onServing: () => serving++ });
    for (const message of [init(), statfs(4), statfs(6)]) send(theirs, message, 0, message.length);
    loop.timers.after(20, () => {
      assert.deepEqual([receive(), receive(), receive(), receive()], [2, 4, 6, undefined]);
      const message = statfs(8);
      send(theirs, message, 0, message.length);
      loop.timers.after(20, () => {
        assert.equal(receive(), 8);
        closeSync(theirs);
      });
    });
    assert.equal(loop.run(), "unmounted");
    assert.equal(serving, 1);
    close();
  });

  test("returns when its thread has to see to something else, and goes on when it is run again", () => {
    const events = eventfd();
    let released = 0;
    const follower = { credit: 1e9, following: false, observe() {}, starved() {}, release: () => released++ };
    const { loop, theirs, receive, close } = pair({ events, follower });
    for (const message of [init(), statfs(4)]) send(theirs, message, 0, message.length);
    loop.timers.after(20, () => eventfdSignal(events));
    assert.equal(loop.run(), "interrupted");
    assert.deepEqual([receive(), receive(), receive()], [2, 4, undefined]);
    assert.equal(released, 0, "it has not ended");
    eventfdDrain(events);
    loop.timers.after(20, () => closeSync(theirs));
    assert.equal(loop.run(), "unmounted");
    assert.equal(released, 1);
    close();
    closeSync(events);
  });

  test("returns for turns of the event loop: after requests, when one is due, and when something shows", () => {
    const fd = eventfd();
    let due = -1;
    const waits: number[] = [];
    const eventLoop = {
      fd,
      wait() {
        waits.push(due);
        return due;
      },
    };
    let serving = 0;
    const { loop, theirs, receive, close } = pair({ eventLoop, onServing: () => serving++ });
    for (const message of [init(), statfs(4)]) send(theirs, message, 0, message.length);
    assert.equal(loop.run(), "interrupted");
    assert.deepEqual([receive(), receive(), waits.length], [2, 4, 0]);
    due = 0;
    assert.equal(loop.run(), "interrupted");
    due = 20;
    loop.timers.after(5000, () => assert.fail("the turn was due before"));
    const started = performance.now();
    eventLoop.wait = () => Math.max(0, Math.ceil(20 - (performance.now() - started)));
    assert.equal(loop.run(), "interrupted");
    assert.ok(performance.now() - started >= 20);
    eventLoop.wait = () => -1;
    eventfdSignal(fd);
    assert.equal(loop.run(), "interrupted");
    eventfdDrain(fd);
    closeSync(theirs);
    assert.equal(loop.run(), "unmounted");
    assert.equal(serving, 1);
    close();
    closeSync(fd);
  });

  test("answers what was deferred, once, also while another request is handled", () => {
    const tokens: DeferredReply[] = [];
    const session = new Session({
      STATFS(context, reply) {
        reply.st.namelen = 255;
        if (context.uniqueLo < 8) {
          tokens.push(context.defer());
          return DEFERRED;
        }
        const payload = new Uint8Array(80).fill(9);
        loop.reply(tokens[1]!, 0, payload);
        loop.reply(tokens[0]!, -Errno.EACCES);
        loop.reply(tokens[0]!, 0, payload);
        return 0;
      },
    });
    const transport = new MemoryTransport([init(), statfs(4), statfs(6), statfs(8)]);
    const loop = new ServingLoop({ session, transport });
    assert.equal(loop.run(), "unmounted");
    const replies = transport.written.slice(1).map((message) => {
      const view = new DataView(message.buffer);
      const error = view.getInt32(4, true);
      // Where a reply to STATFS has `namelen`, if it is one.
      return [view.getUint32(8, true), error, error === 0 ? view.getUint32(60, true) : 0];
    });
    assert.deepEqual(replies, [
      [6, 0, 0x09090909],
      [4, -Errno.EACCES, 0],
      [8, 0, 255],
    ]);
    loop.wakeup.close();
  });

  test("looks up also when there is always more to do", () => {
    const [request, events] = [init(), eventfd()];
    let reads = 0;
    // Never empty.
    const transport = {
      fd: events,
      read(buffer: Uint8Array) {
        const message = reads++ === 0 ? request : statfs(2 + 2 * reads);
        if (reads === 1000) eventfdSignal(events);
        buffer.set(message);
        return message.length;
      },
      write: (_message: Uint8Array, length: number) => length,
      close() {},
    };
    const loop = new ServingLoop({ session: new Session({ STATFS: () => 0 }), transport, events });
    assert.equal(loop.run(), "interrupted");
    assert.ok(reads < 2000, `after ${reads} requests`);
    loop.wakeup.close();
    closeSync(events);
  });

  test("stops when told, and calls onWake when woken", () => {
    let woken = 0;
    const wakeup = new Wakeup();
    const { loop, theirs, close } = pair({
      wakeup,
      onWake: () => {
        if (++woken === 1) new Wakeup(wakeup.handle).wake();
        else wakeup.stop();
      },
    });
    wakeup.wake();
    assert.equal(loop.run(), "stopped");
    assert.ok(woken >= 2);
    closeSync(theirs);
    close();
  });

  test("can be stopped while a peer takes no replies", () => {
    const begun = performance.now();
    const wakeup = {
      fd: -1,
      get stopped() {
        return performance.now() - begun > 50;
      },
      drain() {},
      close() {},
    };
    const { loop, ours, theirs, close } = pair({ wakeup });
    for (const message of [init(), statfs(4)]) send(theirs, message, 0, message.length);
    const filling = new Uint8Array(1024);
    while (send(ours, filling, 0, filling.length, MessageFlag.DONTWAIT) > 0);
    assert.equal(loop.run(), "stopped");
    closeSync(theirs);
    close();
  });

  test("reports a refused INIT instead of waiting for ever", () => {
    const { loop, theirs, receive, close } = pair();
    const message = init(6);
    send(theirs, message, 0, message.length);
    assert.equal(loop.run(), "refused");
    assert.equal(receive(), 2);
    closeSync(theirs);
    close();
  });

  describe("with errors that a FORGET may end", () => {
    const ENOSPC = 28;
    const forget = () => encode("FORGET", 1000, { request: { nlookup: 1 } });
    const data = Uint8Array.from({ length: 90 }, (_, i) => i);
    const write = (uniqueLo: number) => encode("WRITE", uniqueLo, { request: { size: data.length }, data });
    /** What is answered to `messages`, all queued at once: number and error, in order; and how often there was a WRITE. */
    function answers(messages: readonly Uint8Array[]): {
      readonly replies: [number, number][];
      readonly writes: number;
    } {
      let [full, writes] = [true, 0];
      const session = new Session({
        STATFS: () => 0,
        FORGET() {
          full = false;
          return 0;
        },
        WRITE(_context, _request, bytes) {
          writes++;
          assert.deepEqual(Uint8Array.from(bytes), data);
          return full ? -ENOSPC : 0;
        },
      });
      const { loop, theirs, receiveError, close } = pair({ session, untilForgotten: [-ENOSPC] });
      for (const message of messages) send(theirs, message, 0, message.length);
      const replies: [number, number][] = [];
      loop.timers.after(20, () => {
        for (let reply = receiveError(); reply !== undefined; reply = receiveError()) replies.push(reply);
        closeSync(theirs);
      });
      assert.equal(loop.run(), "unmounted");
      close();
      return { replies, writes };
    }

    test("tries a request again that a FORGET behind it helps", () => {
      const { replies, writes } = answers([init(), write(4), statfs(6), forget()]);
      assert.deepEqual(replies, [
        [2, 0],
        [6, 0],
        [4, 0],
      ]);
      assert.equal(writes, 2);
    });

    test("answers with the error when there is none", () => {
      const { replies, writes } = answers([init(), write(4), write(6)]);
      assert.deepEqual(replies, [
        [2, 0],
        [4, -ENOSPC],
        [6, -ENOSPC],
      ]);
      assert.equal(writes, 4);
    });

    test("answers after a while also when there is always more to do", () => {
      const many = Array.from({ length: 100 }, (_, i) => statfs(100 + 2 * i));
      const { replies } = answers([init(), write(4), ...many, forget()]);
      assert.equal(replies.length, 102);
      assert.deepEqual(replies[17], [4, -ENOSPC]);
    });
  });

  test("a timer that throws ends it", () => {
    const { loop, theirs, close } = pair();
    loop.timers.after(0, () => {
      throw new Error("as told");
    });
    assert.throws(() => loop.run(), /as told/);
    closeSync(theirs);
    close();
  });

  test("serves a recorded trace from memory, and survives refused replies", () => {
    const requests = [init(), ...Array.from({ length: 600 }, (_, i) => statfs(4 + 2 * i))];
    const transport = new MemoryTransport(requests);
    const logged: string[] = [];
    transport.verdict = (message) => {
      const unique = new DataView(message.buffer).getUint32(8, true);
      return unique === 8 ? -2 : unique === 10 ? -22 : message.length;
    };
    const loop = new ServingLoop({
      session: new Session({ STATFS: () => 0 }),
      transport,
      timers: new Timers({ now: () => 0 }),
      log: (line) => logged.push(line),
    });
    assert.equal(loop.run(), "unmounted");
    assert.equal(transport.written.length, 601);
    // ENOENT is a caller that was interrupted; anything else is worth a line.
    assert.deepEqual(logged, ["writing a reply of 96 bytes: EINVAL"]);
    loop.wakeup.close();
  });
});
