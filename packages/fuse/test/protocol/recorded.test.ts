/** Oracle: the kernel. What Linux 6.18 wrote is decoded as the system calls meant it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Fattr, type Handlers, rows, Session } from "@bulkhead/fuse";
import { RECORDED } from "./recorded.js";

const messages = RECORDED.trim()
  .split("\n")
  .map((line) => line.split(" "))
  .map(([name = "", hex = ""]) => ({ name, bytes: Buffer.from(hex, "hex") }));
const string = (bytes: Uint8Array) => Buffer.from(bytes).toString();

function replay(handlers: Handlers): { called: string[]; log: string[] } {
  const log: string[] = [];
  const called: string[] = [];
  const all = Object.fromEntries(
    rows.map(([name]) => [
      name,
      (...args: unknown[]) => {
        called.push(name);
        return (handlers[name] as ((...args: unknown[]) => number) | undefined)?.(...args) ?? 0;
      },
    ]),
  ) as Handlers;
  const session = new Session(all, {
    want: ["POSIX_LOCKS", "FLOCK_LOCKS", "DO_READDIRPLUS", "SECURITY_CTX", "CREATE_SUPP_GROUP", "HANDLE_KILLPRIV_V2"],
    log: (line, error) => log.push(`${line} ${error ?? ""}`),
  });
  for (const { bytes } of messages) session.handle(bytes);
  return { called, log };
}

test("every recorded request is well-formed and reaches its own handler", () => {
  const { called, log } = replay({});
  assert.deepEqual(log, []);
  assert.deepEqual(
    called,
    messages.map(({ name }) => name),
  );
  assert.ok(new Set(called).size >= 40, `${new Set(called).size} kinds`);
});

test("their parts are what the system calls said", () => {
  const seen: Record<string, unknown[]> = {};
  const note = (key: string, value: unknown) => {
    seen[key] ??= [];
    seen[key].push(value);
    return 0;
  };
  const { log } = replay({
    SYMLINK: (_context, name, target) => note("symlink", [string(name), string(target)]),
    MKNOD: (_context, { mode }, name) => note("mknod", [string(name), mode]),
    MKDIR: (context, { mode }, name) => note("mkdir", [string(name), mode, context.uid, [...context.groups]]),
    RENAME2: (_context, { flags }, name, newname) => note("rename2", [string(name), string(newname), flags]),
    LINK: (_context, { oldnodeid }, name) => note("link", [oldnodeid, string(name)]),
    WRITE: (_context, { offset, size }, data) => note("write", [offset, size, string(data)]),
    SETXATTR: (_context, { flags }, name, value) => note("setxattr", [string(name), string(value), flags]),
    SETLK: (_context, { lk }) => note("setlk", [lk.type, lk.start]),
    SETATTR: (_context, { valid, size, mode }) => {
      if (valid & Fattr.SIZE) return note("truncate", size);
      if (valid & Fattr.MODE) return note("chmod", mode);
      return 0;
    },
    IOCTL: (_context, { cmd }, data) => note("ioctl", [cmd, data.length]),
  });
  assert.deepEqual(log, []);
  assert.deepEqual(seen, {
    symlink: [["newlink", "../target"]],
    mknod: [["newfifo", 0o010644]],
    mkdir: [
      ["newdir", 0o750, 0, []],
      ["bygroup", 0o755, 1000, [1234]],
    ],
    rename2: [["f", "newname2", 1]],
    link: [[2, "newhard"]],
    write: [[3, 11, "hello world"]],
    setxattr: [["user.attr", "value\0bytes", 0]],
    setlk: [
      [1, 5],
      [0, 0],
    ],
    truncate: [77],
    chmod: [0o100600],
    ioctl: [
      [0x8008_6601, 0],
      [0xc008_4601, 8],
    ],
  });
});
