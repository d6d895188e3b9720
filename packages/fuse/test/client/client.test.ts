// Oracle: the tutorial's server, which real kernels mount; and what the kernel does with answers that break the protocol.
import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { SocketType, socketpair } from "@bulkhead/linux";
import {
  type ClientChannel,
  encodeRequest,
  FuseClient,
  FuseConnectionError,
  operationName,
  type RequestParts,
  Session,
  SocketChannel,
} from "../../src/index.js";

const ROOT = 1;
const text = (name: string) => new TextEncoder().encode(name);
const read = (size: number, offset = 0): RequestParts<"READ"> => ({ request: { size, offset } });

/**
 * A client of a thread that serves `examples/hello`.
 *
 * @param answers look-ups after which the server is gone
 * @param news notifications with which it answers a BATCH_FORGET
 */
async function withHello(run: (client: FuseClient) => void, { answers = 1e9, news = 0 } = {}): Promise<void> {
  const [ours, theirs] = socketpair(SocketType.SEQPACKET);
  const worker = new Worker(new URL("./serve-worker.js", import.meta.url), {
    workerData: { fd: theirs, greeting: "Ahoy", answers, news },
  });
  const ended = new Promise((resolve) => worker.on("exit", resolve));
  await new Promise((resolve) => worker.on("online", resolve));
  const client = new FuseClient({ channel: new SocketChannel(ours), timeout: 10_000 });
  try {
    run(client);
  } finally {
    client.close();
    await ended;
  }
}

describe("a client of the tutorial's server", () => {
  test("negotiates, looks up, lists and reads", async () => {
    await withHello((client) => {
      const { minor, maxWrite } = client.init();
      assert.ok(minor >= 31 && maxWrite >= 4096);
      const [entry] = client.request("LOOKUP", ROOT, { names: [text("hello")] }).out;
      assert.deepEqual([entry?.nodeid, entry?.attr.size, entry?.attr.mode], [2, 5, 0o100644]);
      const names: string[] = [];
      client.list(ROOT, ({ name, ino }) => names.push(`${new TextDecoder().decode(name)} ${ino}`));
      assert.deepEqual(names, [". 1", ".. 1", "hello 2"]);
      const { data } = client.request("READ", 2, read(100));
      assert.equal(new TextDecoder().decode(data), "Ahoy\n");
      assert.equal(client.request("READ", 2, read(100, 5)).data.length, 0);
    });
  });

  test("gives errors, and what is not there, as they are", async () => {
    await withHello((client) => {
      client.init();
      assert.equal(client.request("LOOKUP", ROOT, { names: [text("goodbye")] }).out[0]?.nodeid, 0);
      assert.equal(client.nodes.size, 0, "a name that is not there is nothing to forget");
      assert.throws(() => client.request("LOOKUP", 2, { names: [text("x")] }), {
        code: "ENOTDIR",
        errno: 20,
        operation: "LOOKUP",
      });
      assert.throws(() => client.request("UNLINK", ROOT, { names: [text("hello")] }), { code: "ENOSYS" });
      assert.equal(client.call("READ", ROOT, read(1)).error, -21);
    });
  });

  test("fails at once when the server goes while it is asked, and ever after", async () => {
    await withHello(
      (client) => {
        client.init();
        client.request("LOOKUP", ROOT, { names: [text("hello")] });
        const gone = { code: "ERR_FUSE_CONNECTION", loss: "gone", message: /ended before it answered LOOKUP/ };
        const started = performance.now();
        assert.throws(() => client.request("LOOKUP", ROOT, { names: [text("hello")] }), gone);
        assert.throws(() => client.request("READ", 2, read(1)), gone);
        assert.ok(performance.now() - started < 5000);
      },
      { answers: 1 },
    );
  });

  test("hears a server that waits for that, while it has more to say than a socket holds", async () => {
    await withHello(
      (client) => {
        client.init();
        let heard = 0;
        client.onNotify = () => heard++;
        const [nodes, news] = [100_000, 1_000];
        const answers: number[] = [];
        for (let node = 2; node < nodes + 2; node++) client.nodes.add(node);
        for (let node = 2; node < nodes + 2; node++) client.release(node);
        client.forget();
        const names = Array.from({ length: 500 }, () => ({ nodeid: ROOT, parts: { names: [text("hello")] as const } }));
        client.callAll("LOOKUP", names, (index, { error }) => answers.push(index * Math.abs(error + 1)));
        assert.deepEqual(answers, [...names.keys()]);
        assert.equal(heard, Math.ceil(nodes / 1024) * news);
      },
      { news: 1_000 },
    );
  });
});

/** A channel to a session in this process whose answers `tamper` changes. */
function channel(
  tamper: (reply: Buffer, operation: string) => Buffer | undefined,
  handlers: ConstructorParameters<typeof Session>[0] = {},
): ClientChannel & { readonly seen: string[]; closed: boolean } {
  const session = new Session(handlers, { maxWrite: 4096 });
  let pending: Buffer[] = [];
  return {
    seen: [],
    closed: false,
    send(message, length) {
      const operation = operationName(new DataView(message.buffer).getUint32(4, true));
      this.seen.push(operation);
      const answer = session.handle(message, length);
      const reply = Buffer.from(session.reply.subarray(0, answer));
      const sent = answer === 0 ? undefined : operation === "INIT" ? reply : tamper(reply, operation);
      pending = sent === undefined ? pending : [...pending, sent];
      return 0;
    },
    receive(buffer) {
      const next = pending.shift();
      if (next === undefined) return -110;
      buffer.set(next);
      return next.length;
    },
    close() {
      this.closed = true;
    },
  };
}

function tampered(
  change: (reply: Buffer) => Buffer | undefined,
  handlers: ConstructorParameters<typeof Session>[0] = { STATFS: () => 0, LOOKUP: () => 0 },
) {
  const wire = channel(change, handlers);
  const client = new FuseClient({ channel: wire, timeout: 50 });
  client.init();
  return { wire, client };
}

describe("a client refuses what a kernel refuses", () => {
  const cases: [string, (reply: Buffer) => Buffer | undefined][] = [
    ["an answer shorter than a header", (reply) => reply.subarray(0, 8)],
    ["an answer longer than it says", (reply) => Buffer.concat([reply, Buffer.alloc(8)])],
    ["an answer cut off", (reply) => reply.subarray(0, 40)],
    ["a structure of another length", (reply) => at(reply.subarray(0, 40), 0, 40)],
    ["a positive error", (reply) => at(reply.subarray(0, 16), 0, 16, 4, 5)],
    ["an error below −511", (reply) => at(reply.subarray(0, 16), 0, 16, 4, -512)],
    ["an error with a payload", (reply) => at(Buffer.from(reply), 4, -5)],
  ];
  for (const [what, change] of cases) {
    test(what, () => {
      const { client, wire } = tampered(change);
      assert.throws(() => client.request("STATFS", ROOT, {}), { code: "ERR_FUSE_CONNECTION", loss: "protocol" });
      assert.ok(wire.closed, "there is no way back to messages that make sense");
      assert.throws(() => client.request("STATFS", ROOT, {}), FuseConnectionError);
    });
  }

  test("an answer to another request is not taken for this one's", () => {
    const { client } = tampered((reply) => at(Buffer.from(reply), 8, 4242));
    assert.throws(() => client.request("STATFS", ROOT, {}), { loss: "stalled" });
  });

  test("no answer ends the connection after the time that was given", () => {
    const { client } = tampered(() => undefined);
    assert.throws(() => client.request("STATFS", ROOT, {}), { loss: "stalled", message: /within 0.05 s/ });
  });

  for (const [what, loss, run] of [
    ["a request", "stalled", (client: FuseClient) => client.request("STATFS", ROOT, {})],
    ["the end of the connection", "closed", (client: FuseClient) => client.destroy({ untilGone: true })],
  ] as const) {
    test(`notifications without an end do not prolong ${what}`, () => {
      const wire = channel((reply, operation) => (operation === "DESTROY" ? reply : undefined));
      const started = performance.now();
      const chatty: ClientChannel = {
        send: wire.send.bind(wire),
        receive(buffer, milliseconds) {
          const answer = wire.receive(buffer, milliseconds);
          if (answer > 0) return answer;
          assert.ok(performance.now() - started < 2000, "it still listens");
          buffer.set(at(Buffer.alloc(16), 0, 16, 4, 2));
          return 16;
        },
        close: () => wire.close(),
      };
      const client = new FuseClient({ channel: chatty, timeout: 50 });
      client.init();
      if (loss === "stalled") assert.throws(() => run(client), { loss });
      else run(client);
      assert.equal(client.loss?.loss, loss);
    });
  }

  test("listings without an end, and names that no directory has", () => {
    const endless: ConstructorParameters<typeof Session>[0] = {
      READDIR(_context, _request, entries) {
        entries.add(text("again"), 5, 8, 7);
        return 0;
      },
    };
    const { client } = tampered((reply) => reply, endless);
    assert.throws(() => client.list(ROOT, () => {}), { loss: "protocol", message: /has no end/ });
    for (const name of ["", "n".repeat(4096)]) {
      const { client: other } = tampered((reply) => reply, {
        READDIR(_context, request, entries) {
          if (request.offset === 0) entries.add(text(name), 5, 8, 7);
          return 0;
        },
      });
      assert.throws(() => other.list(ROOT, () => {}), { loss: "protocol" }, JSON.stringify(name));
    }
  });

  test("thousands of ways to break an answer: an error, never another exception", () => {
    const { SEED } = process.env;
    const seed = Number(SEED ?? 4711);
    console.log(`seed ${seed}`);
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let round = 0; round < 5_000; round++) {
      const { client } = tampered((reply) => {
        const changed = Buffer.from(reply.subarray(0, random(4) === 0 ? random(reply.length) : reply.length));
        for (let times = random(3); times >= 0 && changed.length > 0; times--)
          changed[random(changed.length)] = random(256);
        return changed;
      });
      try {
        client.request(random(2) === 0 ? "STATFS" : "LOOKUP", ROOT, { names: [text("x")] } as never);
      } catch (error) {
        assert.match(String((error as { code?: string }).code), /^E/);
      }
    }
  });
});

describe("nodes", () => {
  const handlers: ConstructorParameters<typeof Session>[0] = {
    LOOKUP(_context, name, entry) {
      entry.nodeid = name[0]!;
      return 0;
    },
    FORGET: () => 0,
  };

  test("are counted, given back in batches, and all at the end", () => {
    const given = new Map<number, number>();
    const { client, wire } = tampered((reply) => reply, {
      ...handlers,
      BATCH_FORGET(_context, _request, list) {
        for (let i = 0; i < list.length; i++) given.set(list.get(i).nodeid, list.get(i).nlookup);
        return 0;
      },
      DESTROY: () => 0,
    });
    for (const name of ["a", "b", "a", "a"]) client.request("LOOKUP", ROOT, { names: [text(name)] });
    assert.equal(client.nodes.size, 2);
    client.release(97);
    assert.equal(given.size, 0, "not told yet");
    client.forget();
    assert.deepEqual([...given], [[97, 3]]);
    client.destroy();
    assert.deepEqual(
      [...given],
      [
        [97, 3],
        [98, 1],
      ],
    );
    assert.deepEqual(wire.seen.slice(-3), ["BATCH_FORGET", "BATCH_FORGET", "DESTROY"]);
    assert.ok(wire.closed);
  });
});

describe("many questions at once", () => {
  const handlers: ConstructorParameters<typeof Session>[0] = {
    LSEEK(context, { offset }, out) {
      if (offset === 7) return -6;
      out.offset = context.nodeid * 1000 + offset;
      return 0;
    },
  };
  const questions = Array.from({ length: 150 }, (_, i) => ({
    nodeid: 2 + (i % 3),
    parts: { request: { offset: i, whence: 3 } },
  }));
  const expected = questions.map(({ nodeid }, i) => (i === 7 ? -6 : nodeid * 1000 + i));

  function assertAnswered(client: FuseClient): void {
    client.init();
    const answers: number[] = [];
    client.callAll("LSEEK", questions, (index, { error, out }) => {
      answers[index] = error !== 0 ? error : (out[0]?.offset ?? Number.NaN);
    });
    assert.deepEqual(answers, expected);
  }

  test("are answered in any order, an errno among them; a socket need not hold them all", () => {
    const wire = channel((reply) => reply, handlers);
    let most = 0;
    let sent = 0;
    const held: Buffer[] = [];
    const backwards: ClientChannel = {
      send(message, length, milliseconds) {
        most = Math.max(most, ++sent);
        return wire.send(message, length, milliseconds);
      },
      receive(buffer, milliseconds) {
        const bytes = Buffer.alloc(buffer.length);
        for (let n = wire.receive(bytes, milliseconds); n > 0; n = wire.receive(bytes, milliseconds)) {
          held.push(Buffer.from(bytes.subarray(0, n)));
        }
        const last = held.pop();
        if (last === undefined) return -110;
        sent--;
        buffer.set(last);
        return last.length;
      },
      close: () => wire.close(),
    };
    const client = new FuseClient({ channel: backwards, timeout: 50 });
    assertAnswered(client);
    assert.ok(most > 1 && most <= 64, `${most} at once`);
    client.callAll("LSEEK", [], () => assert.fail("nothing was asked"));
  });

  test("may be answered before there is room for all of them", () => {
    const wire = channel((reply) => reply, handlers);
    let unheard = 0;
    const narrow: ClientChannel = {
      send(message, length, milliseconds) {
        if (unheard === 3) return -11;
        unheard++;
        return wire.send(message, length, milliseconds);
      },
      receive(buffer, milliseconds) {
        unheard--;
        return wire.receive(buffer, milliseconds);
      },
      close: () => wire.close(),
    };
    const client = new FuseClient({ channel: narrow, timeout: 5000 });
    assertAnswered(client);
  });

  test("one that is answered over and over, and the others not, ends the connection", () => {
    const wire = channel((reply) => reply, handlers);
    let first: Buffer | undefined;
    let received = 0;
    const stubborn: ClientChannel = {
      send: wire.send.bind(wire),
      receive(buffer, milliseconds) {
        assert.ok(received++ < 1000, "it still listens");
        const n = wire.receive(buffer, milliseconds);
        if (received === 2) first = Buffer.from(buffer.subarray(0, n));
        if (first === undefined) return n;
        buffer.set(first);
        return first.length;
      },
      close: () => wire.close(),
    };
    const client = new FuseClient({ channel: stubborn, timeout: 5000 });
    client.init();
    assert.throws(() => client.callAll("LSEEK", questions, () => {}), { loss: "protocol", message: /twice/ });
  });

  test("one that is not answered ends the connection", () => {
    let left = 20;
    const { client } = tampered((reply) => (left-- > 0 ? reply : undefined), handlers);
    assert.throws(() => client.callAll("LSEEK", questions, () => {}), { loss: "stalled" });
  });
});

test("what somebody else has encoded is passed on, and its answer bears their number", () => {
  const { client } = tampered((reply) => reply, { LOOKUP: () => -2, FORGET: () => 0 });
  const message = new Uint8Array(4096);
  const header = { nodeid: 1, uniqueLo: 77, uniqueHi: 5, uid: 3, gid: 4, pid: 9 };
  const length = encodeRequest(message, "LOOKUP", header, { names: [text("x")] }, undefined);
  const answer = Buffer.from(client.relay(message, length));
  assert.deepEqual(
    [answer.length, answer.readInt32LE(4), answer.readUInt32LE(8), answer.readUInt32LE(12)],
    [16, -2, 77, 5],
  );
  const forget = encodeRequest(message, "FORGET", header, { request: { nlookup: 1 } }, undefined);
  assert.equal(client.relay(message, forget).length, 0, "nobody answers");
  assert.equal(client.nodes.size, 0);
});

test("a channel whose peer is gone says so, and one whose peer is silent waits no longer than it was told", () => {
  const [ours, theirs] = socketpair(SocketType.SEQPACKET);
  const wire = new SocketChannel(ours);
  const buffer = new Uint8Array(64);
  const started = performance.now();
  assert.equal(wire.receive(buffer, 60), -110);
  assert.ok(performance.now() - started >= 50);
  const full = new Uint8Array(100_000);
  let sent = 0;
  while (wire.send(full, full.length, 20) === 0) sent++;
  assert.ok(sent > 0 && wire.send(full, full.length, 20) === -110, "a peer that does not read");
  closeSync(theirs);
  assert.equal(wire.receive(buffer, 1000), -32);
  assert.equal(wire.send(buffer, 8, 1000), -32);
  wire.close();
});

/** Writes 32-bit values at offsets. */
function at(bytes: Buffer, ...pairs: number[]): Buffer {
  for (let i = 0; i < pairs.length; i += 2) bytes.writeInt32LE(pairs[i + 1]!, pairs[i]!);
  return bytes;
}
