// Oracle: the kernel's ext4 on a loop mount without the key that the directories were encrypted with.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { FileDevice } from "../../src/device/file.js";
import { lookup } from "../../src/dir/directory.js";
import { FileSystemError } from "../../src/errors.js";
import { FileSystem } from "../../src/filesystem.js";
import { InodeFlag } from "../../src/format/inode.js";
import { readInode } from "../../src/inode/inode-table.js";
import { checkImage } from "../writable.js";
import { bytesOf, inKernelMount, list, makeFolder, mke2fs, openImage, skipWithout } from "./images.js";

/** Adds a key to the mounted file system, makes encrypted directories and fills them; prints "unsupported" where that fails. */
const ENCRYPT_AND_FILL = `
import fcntl, os, struct, sys
root = sys.argv[1]
ADD_KEY, SET_POLICY = 0xC0506617, 0x800C6613
arg = bytearray(struct.pack("<II32sII32s", 2, 0, b"", 64, 0, b"") + bytes(range(64)))
fd = os.open(root, os.O_RDONLY)
try: fcntl.ioctl(fd, ADD_KEY, arg)
except OSError as e: print("unsupported: %s" % e, end=""); sys.exit(0)
for d, count in (("few", 9), ("many", 2500)):
    path = os.path.join(root, d); os.mkdir(path)
    fd2 = os.open(path, os.O_RDONLY)
    fcntl.ioctl(fd2, SET_POLICY, struct.pack("<BBBBB3s16s", 2, 1, 4, 3, 0, b"", bytes(arg[8:24])))
    for i in range(count):
        name = "%d-" % i
        if i % 3 == 1: name += "x" * (i % 120)
        if i % 3 == 2: name += "y" * (130 + i % 115)
        os.close(os.open(os.path.join(path, name), os.O_CREAT | os.O_WRONLY))
print("filled", end="")
`;

const LIST = `
import json, os, sys
print(json.dumps({d: [os.stat(os.path.join(sys.argv[1], d)).st_ino, [[e.name, e.inode()] for e in os.scandir(os.path.join(sys.argv[1], d))]] for d in ("few", "many")}))
`;

/** Prints how each of these calls ends, as an errno's name. */
const CHANGE = `
import errno, json, os, sys
root = sys.argv[1]
few = os.path.join(root, "few")
names = sorted(os.listdir(few))
first, second, third = [os.path.join(few, name) for name in names[:3]]
plain = os.path.join(root, "plain")
def attempt(call, *args, **options):
    try: call(*args, **options); return "ok"
    except OSError as e: return errno.errorcode[e.errno]
os.close(os.open(plain, os.O_CREAT))
print(json.dumps([
    attempt(os.rename, first, os.path.join(root, "out")),
    attempt(os.rename, first, second),
    attempt(os.rename, first, os.path.join(root, "many", names[0])),
    attempt(os.rename, plain, os.path.join(few, "in")),
    attempt(os.rename, plain, first),
    attempt(os.open, few, os.O_TMPFILE | os.O_RDWR, 0o600),
    attempt(os.rename, few, os.path.join(root, "FEW")),
    attempt(os.link, os.path.join(root, "FEW", names[1]), os.path.join(root, "linked")),
    attempt(os.unlink, os.path.join(root, "FEW", names[0])),
]))
`;

/** What CHANGE does, done by the engine. */
function changeIt(filesystem: FileSystem): string[] {
  const { root } = filesystem;
  const directory = (name: string) => filesystem.inode(filesystem.lookup(root, bytesOf(name)));
  const [few, many] = [directory("few"), directory("many")];
  const names = list(filesystem.volume, few)
    .slice(2)
    .map(({ name }) => name);
  const [first, second] = names.sort().map(bytesOf) as [Uint8Array, Uint8Array];
  const creation = { mode: 0o100600, uid: 0, gid: 0 };
  filesystem.create(root, bytesOf("plain"), creation);
  const attempt = (call: () => unknown) => {
    try {
      call();
      return "ok";
    } catch (error) {
      if (error instanceof FileSystemError) return error.code;
      throw error;
    }
  };
  return [
    attempt(() => filesystem.rename(few, first, root, bytesOf("out"))),
    attempt(() => filesystem.rename(few, first, few, second)),
    attempt(() => filesystem.rename(few, first, many, first)),
    attempt(() => filesystem.rename(root, bytesOf("plain"), few, bytesOf("in"))),
    attempt(() => filesystem.rename(root, bytesOf("plain"), few, first)),
    attempt(() => filesystem.tmpfile(few, creation)),
    attempt(() => filesystem.rename(root, bytesOf("few"), root, bytesOf("FEW"))),
    attempt(() => filesystem.link(filesystem.inode(filesystem.lookup(few, second)), root, bytesOf("linked"))),
    attempt(() => filesystem.unlink(few, first)),
  ];
}

describe("encrypted directories without their key", {
  skip: skipWithout("root", "loop", "mke2fs", "python3"),
}, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  for (const [index, options] of [
    ["-O", "encrypt"],
    ["-O", "encrypt,^dir_index"],
    ["-O", "encrypt,^metadata_csum"],
  ].entries()) {
    it(`show and find the names that the kernel shows: mke2fs ${options.join(" ")}`, (context) => {
      const image = mke2fs(join(folder, `${index}.img`), 32, "-b", "1024", "-N", "4096", ...options);
      const filled = inKernelMount(image, ENCRYPT_AND_FILL);
      if (filled !== "filled") {
        context.skip(`the kernel cannot encrypt directories: ${filled}`);
        return;
      }
      const truth = JSON.parse(inKernelMount(image, LIST)) as Record<string, [number, [string, number][]]>;
      const volume = openImage(image);
      for (const [path, [ino, entries]] of Object.entries(truth)) {
        const dir = readInode(volume, ino);
        assert.ok(dir.has(InodeFlag.encrypt));
        const listed = list(volume, dir);
        assert.deepEqual(
          listed.slice(2).map((entry) => [entry.name, entry.ino]),
          entries,
          path,
        );
        assert.deepEqual(list(volume, dir, 5), listed);
        assert.ok(path === "few" || entries.some(([name]) => name.length === 252), "some names are shortened");
        for (const [name, ino] of entries) assert.equal(lookup(volume, dir, bytesOf(name)), ino, name);
        for (const name of ["0-", "A", "!", "A".repeat(252), "A".repeat(253), `${entries[0]![0]}A`]) {
          assert.equal(lookup(volume, dir, bytesOf(name)), 0, name);
        }
        assert.equal(lookup(volume, dir, bytesOf("..")), 2);
      }
    });
  }

  it("lose names, and get and move none, as in the kernel", (context) => {
    const image = mke2fs(join(folder, "changed.img"), 32, "-b", "1024", "-N", "4096", "-O", "encrypt");
    const filled = inKernelMount(image, ENCRYPT_AND_FILL);
    if (filled !== "filled") {
      context.skip(`the kernel cannot encrypt directories: ${filled}`);
      return;
    }
    const copy = join(folder, "changed-by-us.img");
    fs.copyFileSync(image, copy);
    const truth = JSON.parse(inKernelMount(image, CHANGE)) as string[];
    const device = new FileDevice(fs, fs.openSync(copy, "r+"), { readOnly: false });
    const filesystem = FileSystem.mount(device, { writable: true });
    assert.deepEqual(changeIt(filesystem), truth);
    filesystem.unmount();
    filesystem.close();
    checkImage(copy);
  });
});
