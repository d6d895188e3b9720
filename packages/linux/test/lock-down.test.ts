/** What a process gives up, each in a process of its own. Oracle: what the kernel then refuses, and what /proc says. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { getLimit, landlockVersion, Prctl, pageSize, prctl, Resource } from "../src/index.js";

const DOOR = new URL("../src/index.js", import.meta.url).href;

/** Runs `code` with the door of this package as `linux`, and gives what it says on standard output. */
function apart(code: string): { readonly output: string; readonly signal: string | null; readonly errors: string } {
  const start = `import * as linux from ${JSON.stringify(DOOR)}; import * as fs from "node:fs";
    const say = (text) => fs.writeSync(1, String(text) + "\\n");
    const status = () => fs.readFileSync("/proc/thread-self/status", "latin1");\n`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", start + code], {
    encoding: "utf8",
    timeout: 20_000,
  });
  return { output: child.stdout.trim(), signal: child.signal, errors: child.stderr };
}

const root = process.getuid?.() === 0 ? false : "only root has something to give up";
const landlock = landlockVersion() > 0 ? false : "this kernel has no landlock";

describe("a process that gives up", () => {
  test("all capabilities, has none in any set", { skip: root }, () => {
    const { output, errors } = apart(`
      linux.dropAllCapabilities();
      say([...status().matchAll(/^Cap\\w+:\\s*(\\w+)$/gm)].map(([, set]) => Number("0x" + set)).join());`);
    assert.equal(output, "0,0,0,0,0", errors);
  });

  test("its user, does so in every thread, and loses all capabilities by it", { skip: root }, () => {
    const { output, errors } = apart(`
      linux.becomeForGood(65534, 65534);
      for (const tid of fs.readdirSync("/proc/self/task")) {
        const text = fs.readFileSync("/proc/self/task/" + tid + "/status", "latin1");
        say(/^Uid:\\s*(.*)$/m.exec(text)[1].replaceAll("\\t", " ") + " " + /^CapEff:\\s*(.*)$/m.exec(text)[1]);
      }`);
    const lines = new Set(output.split("\n"));
    assert.deepEqual([...lines], ["65534 65534 65534 65534 0000000000000000"], errors);
  });

  test("files (landlock), opens and makes none, and keeps what is open", { skip: landlock }, () => {
    const { output, errors } = apart(`
      const fd = fs.openSync("/etc/passwd", "r");
      linux.prctl(linux.Prctl.SET_NO_NEW_PRIVS, 1);
      const reach = linux.landlockEverything();
      say(reach === "thread" || reach === "process");
      for (const path of ["/etc/passwd", "/", "/proc/self/status"]) {
        try { fs.openSync(path, "r"); say("opened"); } catch (error) { say(error.code); }
      }
      try { fs.mkdirSync("/tmp/landlocked"); say("made"); } catch (error) { say(error.code); }
      say(fs.readSync(fd, Buffer.alloc(4)));`);
    assert.equal(output, "true\nEACCES\nEACCES\nEACCES\nEACCES\n4", errors);
  });

  test("them as older kernels can", { skip: landlock }, () => {
    const { output, errors } = apart(`
      linux.prctl(linux.Prctl.SET_NO_NEW_PRIVS, 1);
      say(linux.landlockEverything(0));
      for (let version = 1; version <= Math.min(linux.landlockVersion(), 7); version++) say(linux.landlockEverything(version));
      try { fs.readdirSync("/"); say("read"); } catch (error) { say(error.code); }`);
    assert.match(output, /^nobody\n(thread\n)+EACCES$/, errors);
  });

  test("a system call (seccomp), fails in it, and in other threads as well", () => {
    // ld nr; jeq getpid, fail, allow; with numbers of both architectures
    const { output, errors } = apart(`
      const number = process.arch === "arm64" ? 172 : 39;
      const program = new Uint8Array(32);
      const view = new DataView(program.buffer);
      const line = (i, code, jt, jf, k) => { view.setUint16(8 * i, code, true); program[8 * i + 2] = jt; program[8 * i + 3] = jf; view.setUint32(8 * i + 4, k, true); };
      line(0, 0x20, 0, 0, 0); line(1, 0x15, 0, 1, number); line(2, 0x06, 0, 0, 0x50000 | 77); line(3, 0x06, 0, 0, 0x7fff0000);
      linux.prctl(linux.Prctl.SET_NO_NEW_PRIVS, 1);
      linux.filterSystemCalls(program);
      for (const tid of fs.readdirSync("/proc/self/task")) {
        const text = fs.readFileSync("/proc/self/task/" + tid + "/status", "latin1");
        say(/^NoNewPrivs:\\s*(.*)$/m.exec(text)[1] + /^Seccomp:\\s*(.*)$/m.exec(text)[1]);
      }`);
    assert.deepEqual([...new Set(output.split("\n"))], ["12"], errors);
    assert.throws(
      () => prctl(Prctl.SET_NO_NEW_PRIVS, 7),
      { code: "EINVAL" },
      "this process has no filter, and may be told so",
    );
  });

  test("a limit, does not get it back", () => {
    const { output, errors } = apart(`
      const before = linux.getLimit(linux.Resource.NOFILE);
      linux.setLimit(linux.Resource.NOFILE, 40);
      const after = linux.getLimit(linux.Resource.NOFILE);
      say([after.soft, after.hard, before.hard >= 40].join());
      for (;;) try { fs.openSync("/dev/null", "r"); } catch (error) { say(error.code); break; }`);
    assert.equal(output, "40,40,true\nEMFILE", errors);
  });

  test("a signal, is not ended by it", () => {
    const { output, signal, errors } = apart(`
      linux.ignoreSignal(25);
      process.kill(process.pid, 25);
      say("alive");`);
    assert.deepEqual([output, signal], ["alive", null], errors);
  });
});

test("the size of a page is what getconf says", () => {
  assert.equal(`${pageSize()}\n`, spawnSync("getconf", ["PAGESIZE"], { encoding: "utf8" }).stdout);
});

test("limits are what /proc says", () => {
  const limits = readFileSync("/proc/self/limits", "latin1");
  const [, soft, hard] = /^Max open files +(\S+) +(\S+)/m.exec(limits) ?? [];
  assert.deepEqual(getLimit(Resource.NOFILE), { soft: Number(soft), hard: Number(hard) });
  assert.match(limits, /^Max core file size/m);
  const core = /^Max data size +(\S+)/m.exec(limits)?.[1];
  const expected = core === "unlimited" ? Number.POSITIVE_INFINITY : Number(core);
  assert.equal(getLimit(Resource.DATA).soft, expected);
});

test("ids in a user namespace that a user made are that user alone", () => {
  const program = `import { idMap } from ${JSON.stringify(DOOR)}; console.log(JSON.stringify([idMap("uid"), idMap("gid")]));`;
  const command = ["--user", "--map-root-user", process.execPath, "--input-type=module", "-e", program];
  const { stdout, stderr } = spawnSync("unshare", command, { encoding: "utf8", timeout: 20_000 });
  const only = (outside: number) => [{ first: 0, outside, count: 1 }];
  assert.deepEqual(JSON.parse(stdout || "null"), [only(process.getuid!()), only(process.getgid!())], stderr);
});
