/**
 * The filter, instruction by instruction. Oracle: what the policy's rows say, the kernel's own headers for numbers, and, for each of
 * all other numbers, that it kills. What the kernel makes of it is the escape tests' business.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { compileFilter } from "../src/lock-down/filter.js";
import { policy } from "../src/lock-down/policy.js";
import { type Architecture, architectures, systemCalls } from "../src/lock-down/system-calls.js";

const KILL = "kill";
const SOCKET = 5;
const PID = 1234;
type Name = keyof typeof systemCalls;

/** What the program answers, and whether it looked at arguments on its way: then the kernel does not remember the answer. */
function ask(program: Uint8Array, audit: number, number: number, args: readonly number[] = []) {
  const view = new DataView(program.buffer);
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number >>> 0, true);
  data.setUint32(4, audit, true);
  for (const [i, value] of args.entries()) data.setBigInt64(16 + 8 * i, BigInt(value), true);
  let word = 0;
  let looked = false;
  for (let at = 0, steps = 0; ; at++, steps++) {
    assert.ok(steps < 200 && at < program.length / 8, "the program does not end");
    const code = view.getUint16(8 * at, true);
    const yes = view.getUint8(8 * at + 2);
    const no = view.getUint8(8 * at + 3);
    const k = view.getUint32(8 * at + 4, true);
    if (code === 0x20) {
      word = data.getUint32(k, true);
      looked ||= k >= 8;
    } else if (code === 0x15) at += word === k ? yes : no;
    else if (code === 0x35) at += word >= k ? yes : no;
    else if (code === 0x45) at += (word & k) !== 0 ? yes : no;
    else if (code === 0x05) at += k;
    else if (code === 0x06) return { answer: decoded(k), looked, steps };
    else assert.fail(`instruction 0x${code.toString(16)}`);
  }
}

function decoded(k: number): string | number {
  if (k === 0x8000_0000) return KILL;
  if (k === 0x7fff_0000) return "allow";
  assert.equal(k >>> 16, 5);
  return k & 0xffff;
}

for (const architecture of ["x64", "arm64"] as const satisfies readonly Architecture[]) {
  describe(`the filter for ${architecture}`, () => {
    const { column, audit } = architectures[architecture];
    const filter = (jit: boolean) =>
      compileFilter(policy({ socket: SOCKET, pid: PID, device: undefined, jit }), architecture);
    const program = filter(true);
    const answer = (name: Name, ...args: readonly number[]) => {
      const number = systemCalls[name][column];
      return number === undefined ? undefined : ask(program, audit, number, args).answer;
    };

    test("kills for every number that has no rule, x32's among them", () => {
      const known = new Set<number | undefined>(Object.values(systemCalls).map((numbers) => numbers[column]));
      for (let number = 0; number < 1024; number++) {
        if (!known.has(number)) assert.equal(ask(program, audit, number).answer, KILL, String(number));
        assert.equal(ask(program, audit, 0x4000_0000 | number).answer, KILL, `x32 ${number}`);
      }
      assert.equal(ask(program, audit, -1).answer, KILL);
    });

    test("kills for other architectures", () => {
      const others = [0x4000_0003, 0x4000_0028, 0xc000_003e, 0xc000_00b7, 0].filter((other) => other !== audit);
      for (const other of others) assert.equal(ask(program, other, systemCalls.read[column]).answer, KILL);
    });

    test("answers what every request takes without a look at arguments, so that the kernel remembers it", () => {
      for (const name of ["read", "write", "pread64", "pwrite64", "preadv2", "ppoll", "futex", "fdatasync"] as const) {
        const { answer, looked } = ask(program, audit, systemCalls[name][column]);
        assert.deepEqual([answer, looked], ["allow", false], name);
      }
    });

    test("gives no memory of a file, of others, or, without a compiler, of code", () => {
      const [ANONYMOUS, PRIVATE, SHARED] = [0x20, 2, 1];
      assert.equal(answer("mmap", 0, 4096, 3, PRIVATE | ANONYMOUS, -1, 0), "allow");
      assert.equal(answer("mmap", 0, 4096, 7, PRIVATE | ANONYMOUS, -1, 0), "allow");
      assert.equal(answer("mmap", 0, 4096, 1, PRIVATE, 3, 0), KILL);
      assert.equal(answer("mmap", 0, 4096, 3, SHARED | ANONYMOUS, -1, 0), KILL);
      assert.equal(answer("mmap", 0, 4096, 3, 2 ** 40 + PRIVATE + ANONYMOUS, -1, 0), KILL);
      const paranoid = filter(false);
      const ask3 = (name: Name, ...args: readonly number[]) =>
        ask(paranoid, audit, systemCalls[name][column] ?? -1, args).answer;
      assert.equal(ask3("mmap", 0, 4096, 3, PRIVATE | ANONYMOUS, -1, 0), "allow");
      assert.equal(ask3("mmap", 0, 4096, 7, PRIVATE | ANONYMOUS, -1, 0), 1);
      assert.equal(ask3("mprotect", 0, 4096, 5), 1);
      assert.equal(ask3("mprotect", 0, 4096, 3), "allow");
    });

    test("lets the helper be spoken to, and nobody else", () => {
      assert.equal(answer("sendmsg", SOCKET, 0, 0), "allow");
      assert.equal(answer("sendmsg", SOCKET + 1, 0, 0), KILL);
      assert.equal(answer("sendto", SOCKET, 0, 1, 0, 0, 0), "allow");
      assert.equal(answer("sendto", SOCKET + 1, 0, 1, 0, 0, 0), KILL);
      for (const address of [4096, 5 * 2 ** 32]) assert.equal(answer("sendto", SOCKET, 0, 1, 0, address, 16), KILL);
      for (const option of [83, 26]) assert.equal(answer("setsockopt", SOCKET, 1, option, 0, 4), 92);
      const without = compileFilter(
        policy({ socket: undefined, pid: PID, device: undefined, jit: true }),
        architecture,
      );
      for (let fd = 0; fd < 16; fd++)
        assert.equal(ask(without, audit, systemCalls.recvfrom[column], [fd]).answer, KILL);
    });

    test("has nothing written before the file system, where that does not begin with the device", () => {
      const start = 5 * 2 ** 32 + 4096;
      const device = { fd: 7, start };
      const partial = compileFilter(policy({ socket: SOCKET, pid: PID, device, jit: true }), architecture);
      const to = (name: Name, ...args: readonly number[]) =>
        ask(partial, audit, systemCalls[name][column] ?? -1, args).answer;
      for (const [position, expected] of [
        [0, KILL],
        [start - 1, KILL],
        [start, "allow"],
        [start + 2 ** 32 - 4096, "allow"],
        [6 * 2 ** 32, "allow"],
        [4 * 2 ** 32 + 8192, KILL],
      ] as const) {
        assert.equal(to("pwrite64", 7, 0, 512, position), expected, String(position));
        assert.equal(to("pwrite64", 8, 0, 512, position), "allow");
        assert.equal(to("fallocate", 7, 3, position, 512), expected, String(position));
        assert.equal(to("fallocate", 7, 0, position, 512), KILL);
      }
      assert.equal(to("write", 7, 0, 512), KILL);
      assert.equal(to("writev", 7, 0, 1), KILL);
      assert.equal(to("write", 8, 0, 512), "allow");
    });

    test("signals and moves nobody else", () => {
      assert.equal(answer("tgkill", PID, PID, 6), "allow");
      assert.equal(answer("tgkill", PID + 1, PID + 1, 6), KILL);
      assert.equal(answer("sched_setaffinity", 0, 8, 0), "allow");
      assert.equal(answer("sched_setaffinity", 77, 8, 0), KILL);
      assert.equal(answer("sched_setscheduler", 0, 5, 0), "allow");
      assert.equal(answer("sched_setscheduler", 0, 1, 0), KILL);
      assert.equal(answer("prlimit64", 0, 7, 0, 0), "allow");
      assert.equal(answer("prlimit64", 1, 7, 0, 0), KILL);
    });

    test("refuses to open for reading, and kills for writing", () => {
      assert.equal(answer("openat", -100, 0, 0o2000000), 13);
      for (const flags of [1, 2, 0o100, 0o1000, 0o20200000, 0o10000000])
        assert.equal(answer("openat", -100, 0, flags), KILL, flags.toString(8));
    });

    test("answers the ioctls of its devices, and takes no file for a terminal", () => {
      assert.equal(answer("ioctl", 3, 0x8008_1272, 0), "allow");
      assert.equal(answer("ioctl", 1, 0x5401, 0), 25);
      for (const request of [0x5412, 0x1277, 0x8004_e500, 0x4008_6602])
        assert.equal(answer("ioctl", 3, request, 0), KILL);
      assert.equal(answer("fallocate", 3, 3, 0, 4096), "allow");
      for (const mode of [0, 1, 17]) assert.equal(answer("fallocate", 3, mode, 0, 4096), KILL);
      assert.equal(answer("madvise", 0, 4096, 4), "allow");
      assert.equal(answer("madvise", 0, 4096, 12), 22);
      assert.equal(answer("fcntl", 3, 4, 0), "allow");
      assert.equal(answer("fcntl", 3, 1030, 0), KILL);
    });

    test("finds every rule in two dozen instructions", () => {
      for (const numbers of Object.values(systemCalls)) {
        const number = numbers[column];
        if (number !== undefined) assert.ok(ask(program, audit, number).steps <= 24);
      }
    });
  });
}

const headers = { x64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", arm64: "/usr/include/asm-generic/unistd.h" };
for (const [architecture, header] of Object.entries(headers)) {
  const skip = existsSync(header) ? false : "the kernel's headers are not installed";
  test(`numbers of ${architecture} are the kernel's`, { skip }, () => {
    const { column } = architectures[architecture as Architecture];
    const lines = readFileSync(header, "latin1").matchAll(/^#define __NR(?:3264)?_(\w+) (\d+)$/gm);
    const numbers = new Map(
      [...lines].map(([, name, number]) => [name === "fstatat" ? "newfstatat" : name, Number(number)]),
    );
    for (const [name, known] of Object.entries(systemCalls)) {
      const number = known[column];
      if (number !== undefined) assert.equal(numbers.get(name), number, name);
    }
  });
}
