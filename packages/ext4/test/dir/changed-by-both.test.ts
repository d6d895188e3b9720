// Oracle: the kernel's ext4 on a loop mount. It and the engine change the same directories in turn, and e2fsck -fn follows each turn.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { InodeFlag } from "../../src/format/inode.js";
import { changeImage, checkImage } from "../writable.js";
import { Bench, checkWithKernel, makeImage } from "./changing.js";
import { debugfs, inKernelMount, makeFolder, run, seededRandom, skipWithout } from "./images.js";

const base = "^has_journal,^resize_inode";

/** Links and unlinks names at random in directory argv[2]: argv[3] is the seed, argv[4] the number of steps; prints what is there then. */
const CHURN = `
import json, os, random, sys
root = os.fsencode(sys.argv[1]); d = os.path.join(root, os.fsencode(sys.argv[2])); random.seed(int(sys.argv[3]))
names = sorted(os.listdir(d))
for step in range(int(sys.argv[4])):
    if names and random.random() < 0.35:
        i = random.randrange(len(names)); names[i], names[-1] = names[-1], names[i]
        os.unlink(os.path.join(d, names.pop()))
    else:
        n = b"kernel-" + bytes(random.choice([b for b in range(1, 256) if b != 47]) for _ in range(random.randint(1, 60 if random.random() < 0.9 else 240)))
        if os.path.lexists(os.path.join(d, n)): continue
        os.link(os.path.join(root, b"t", b"%d" % random.randrange(24)), os.path.join(d, n)); names.append(n)
json.dump([[n.decode("latin1"), os.stat(os.path.join(d, n)).st_ino] for n in os.listdir(d)], sys.stdout)
`;

const skip = skipWithout("root", "loop", "mke2fs", "e2fsck", "python3");

describe("directories that the kernel and the engine change in turn", { skip }, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  for (const [title, options] of [
    ["1 KiB blocks", ["-b", "1024", "-O", base]],
    ["4 KiB blocks, no checksums", ["-b", "4096", "-O", `${base},^metadata_csum`]],
    ["inline data", ["-b", "1024", "-I", "256", "-O", `${base},inline_data`]],
    ["no index", ["-b", "1024", "-O", `${base},^dir_index`]],
  ] as const) {
    it(`stay whole: ${title}`, () => {
      const seed = Date.now() & 0x7fff_ffff;
      const random = seededRandom(seed);
      const image = makeImage(folder, "image", "16m", options);
      for (let round = 0; round < 10; round++) {
        const steps = round < 3 ? 6 : 120;
        const listed = JSON.parse(inKernelMount(image, CHURN, "d", `${seed + round}`, `${steps}`)) as [
          string,
          number,
        ][];
        checkImage(image);
        changeImage(image, (volume) => {
          const bench = new Bench(volume);
          assert.deepEqual(bench.model, new Map(listed), `seed ${seed}, round ${round}`);
          bench.check();
          for (let i = 0; i < steps; i++) {
            const names = [...bench.model.keys()];
            if (names.length > 0 && random(3) === 0) bench.remove(names[random(names.length)]!);
            else bench.add(`ours-${round}-${i}`.padEnd(20 + random(60), "*"), i);
          }
        });
      }
    });
  }

  it("compare names without regard to case in case-insensitive directories", (context) => {
    const image = makeImage(folder, "image", "16m", ["-b", "1024", "-O", `${base},casefold`, "-E", "encoding=utf8"]);
    debugfs(image, ["sif d flags 0x40080000"]);
    let model: ReadonlyMap<string, number>;
    const utf8 = (text: string) => Buffer.from(text).toString("latin1");
    model = changeImage(image, (volume) => {
      const bench = new Bench(volume);
      assert.ok(bench.dir.has(InodeFlag.casefold));
      bench.add(utf8("Straße"), 1);
      assert.throws(() => bench.add(utf8("STRASSE"), 1), { code: "EEXIST" });
      for (let i = 0; i < 700; i++) {
        bench.add(utf8(`Ärger-Nummer-${i}`), i);
        assert.throws(() => bench.add(utf8(`ÄRGER-nummer-${i}`), 1), { code: "EEXIST" });
      }
      bench.add("\xff no UTF-8", 2);
      assert.throws(() => bench.add("\xff no UTF-8", 2), { code: "EEXIST" });
      bench.add("\xff no utf-8", 2);
      assert.ok(bench.dir.has(InodeFlag.index));
      bench.check();
      return bench.model;
    });
    let kernelAgrees = true;
    try {
      assert.deepEqual(JSON.parse(inKernelMount(image, CASELESS)), { count: model.size, missing: [] });
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      kernelAgrees = false;
      context.diagnostic(`the kernel does not mount it: ${error}`);
    }
    changeImage(image, (volume) => {
      const bench = new Bench(volume);
      for (let i = 0; i < 700; i += 2) {
        bench.model.set(utf8(`ÄRGER-NUMMER-${i}`), bench.model.get(utf8(`Ärger-Nummer-${i}`))!);
        bench.remove(utf8(`ÄRGER-NUMMER-${i}`));
        bench.model.delete(utf8(`Ärger-Nummer-${i}`));
      }
      bench.check();
      model = bench.model;
    });
    if (kernelAgrees) checkWithKernel(image, model);
  });

  it("refuse names that are no UTF-8 where the encoding is strict", () => {
    const options = ["-b", "1024", "-O", `${base},casefold`, "-E", "encoding=utf8,encoding_flags=strict"];
    const image = makeImage(folder, "image", "4m", options);
    debugfs(image, ["sif d flags 0x40080000"]);
    changeImage(image, (volume) => {
      const bench = new Bench(volume);
      assert.throws(() => bench.add("\xff", 1), { code: "EINVAL" });
      bench.add("\xc3\xa4", 1);
      assert.throws(() => bench.add("\xc3\x84", 1), { code: "EEXIST" });
    });
  });

  it("lose names without their key, and get none: encrypted ones", (context) => {
    const image = `${folder}/encrypted`;
    for (const features of ["encrypt", "encrypt,^dir_index"]) {
      fs.rmSync(image, { force: true });
      run("mke2fs", ["-q", "-F", "-t", "ext4", "-b", "1024", "-N", "2048", "-O", `${base},${features}`, image, "16m"]);
      const filled = inKernelMount(image, ENCRYPT);
      if (filled !== "filled") {
        context.skip(`the kernel cannot encrypt directories: ${filled}`);
        return;
      }
      const model = changeImage(image, (volume) => {
        const bench = new Bench(volume);
        assert.ok(bench.dir.has(InodeFlag.encrypt));
        assert.equal(bench.model.size, 300);
        for (const name of [...bench.model.keys()].filter((_, i) => i % 3 === 0)) bench.remove(name);
        const [name] = bench.model.keys();
        assert.throws(() => bench.add("new", 1), { code: "ENOKEY" });
        assert.throws(() => bench.replace(name!, 1), { code: "ENOKEY" });
        bench.check();
        return bench.model;
      });
      checkWithKernel(image, model);
    }
  });
});

const CASELESS = `
import json, os, sys
d = os.path.join(os.fsencode(sys.argv[1]), b"d")
names = os.listdir(d)
missing = []
for n in names:
    try: other = n.decode().upper().encode()
    except UnicodeDecodeError: other = n
    if not os.path.lexists(os.path.join(d, other)): missing.append(other.decode("latin1"))
json.dump({"count": len(names), "missing": missing}, sys.stdout)
`;

/** Makes an encrypted directory "d" of links, and prints "filled", or why not. */
const ENCRYPT = `
import fcntl, os, struct, sys
root = sys.argv[1]
ADD_KEY, SET_POLICY = 0xC0506617, 0x800C6613
arg = bytearray(struct.pack("<II32sII32s", 2, 0, b"", 64, 0, b"") + bytes(range(64)))
fd = os.open(root, os.O_RDONLY)
try: fcntl.ioctl(fd, ADD_KEY, arg)
except OSError as e: print("unsupported: %s" % e, end=""); sys.exit(0)
d = os.path.join(root, "d"); os.mkdir(d); os.mkdir(os.path.join(root, "t"))
fd2 = os.open(d, os.O_RDONLY)
fcntl.ioctl(fd2, SET_POLICY, struct.pack("<BBBBB3s16s", 2, 1, 4, 3, 0, b"", bytes(arg[8:24])))
for i in range(24): os.close(os.open(os.path.join(root, "t", str(i)), os.O_CREAT))
for i in range(300):
    path = os.path.join(d, "%d-" % i + "x" * (i % 220))
    if i % 100 == 0: os.close(os.open(path, os.O_CREAT)); last = path
    else: os.link(last, path)
print("filled", end="")
`;
