/** Names and attributes through the mirror. Oracle: the same commands in a plain directory on the same file system. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { cannotMount, Mirrored } from "./mirrored.js";

const { PATH } = process.env;
const TOOLS = ["bash", "python3", "setfattr", "getfattr", "setpriv", "prlimit", "fallocate"];
const missing = TOOLS.filter((tool) => spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0);
const skip = missing.length > 0 ? `${missing.join(", ")} not installed` : cannotMount();
const plain = mkdtempSync(join(tmpdir(), "mirror-plain-"));
chmodSync(plain, 0o755);
after(() => rmSync(plain, { recursive: true }));

/** Linux 6.18 forgets inodes when it is asked to. */
function canPrune(): string | false {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 18) ? false : "needs Linux 6.18";
}

/** What a shell says and returns. */
function shell(directory: string, script: string): { output: string; status: number | null } {
  const { stdout, stderr, status } = spawnSync("bash", ["-c", `umask 022\n${script}`], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    timeout: 60_000,
    env: { PATH, LC_ALL: "C" },
  });
  return { output: (stdout + stderr).replaceAll(directory, "."), status };
}

/** Each: a fresh directory, a script, and everything that can be seen afterwards. */
const SCRIPTS: Readonly<Record<string, string>> = {
  "files are made, appended to, copied and cut": `
    echo one > a; echo two >> a; cat a; cp a b; truncate -s 3 b; truncate -s 5000 c; cat b; : > a; wc -c a b c`,
  "directories are made and removed, and only when empty": `
    mkdir d e; mkdir d/f; touch d/f/x; rmdir d; rmdir e; rm d/f/x; rmdir d/f d; mkdir g; mkdir g; ls`,
  "names are moved, over others, into directories, exchanged not": `
    echo a > a; echo b > b; mkdir d e; mv a c; mv -T c b; cat b; mv b d; mv -T e d; mv d/b d/c; mv -n d/c d/c; ls -R
    mkdir d/sub; mv d d/sub; mv none d`,
  "hard and symbolic links": `
    echo x > a; ln a b; ln -s a s; ln -s /nowhere/at/all t; cat s; readlink t; stat -c '%h %n' a b; rm a; cat b; cat s
    stat -c '%h %F' b s; ln b d/e; mkdir d; ln d d2; ln -P s s2; stat -c '%h %F' s s2`,
  "modes, owners and times": `
    touch a; chmod 4751 a; stat -c '%a' a; chown 12:34 a; stat -c '%a %u:%g' a; chgrp 56 a; chmod g+s a; stat -c '%a' a
    touch -d '2001-02-03 04:05:06.123456789' a; stat -c '%y %x' a; touch -a -d 2010-01-01 a; stat -c '%y' a; touch -d 1960-02-03 a; stat -c '%y %Y' a
    ln -s a s; chown -h 7:8 s; stat -c '%u:%g' s a; touch -h -d 1999-09-09 s; stat -c '%y' s; mkdir d; chmod 1777 d; stat -c '%a' d`,
  "fifos, sockets and devices": `
    mkfifo p; mknod c c 1 3; mknod b b 259 70000; stat -c '%F %t %T' p c b; (echo through > p &); cat p`,
  "extended attributes": `
    touch a; mkdir d; setfattr -n user.one -v 1 a; setfattr -n user.two -v '' a; setfattr -n trusted.t -v 3 d; getfattr -d a
    getfattr -d -m - d; setfattr -x user.one a; setfattr -x user.one a; getfattr -d a; getfattr -n user.none a
    ln -s a s; setfattr -h -n trusted.link -v yes s; getfattr -h -d -m trusted s`,
  "a set-group-id directory gives its group": `
    mkdir d; chgrp 77 d; chmod 2775 d; touch d/f; mkdir d/e; stat -c '%g %a' d/f d/e`,
  "sparse files keep their holes": `
    truncate -s 1M a; printf x | dd of=a bs=1 seek=500000 conv=notrunc status=none; stat -c '%s %b' a; fallocate -p -o 0 -l 1M a
    stat -c '%s %b' a; fallocate -l 64K b; stat -c '%s %b' b; cp --sparse=always a c; stat -c '%s %b' c`,
  "long and strange names": `
    touch "$(printf 'n%.0s' {1..255})"; touch "$(printf 'n%.0s' {1..256})" 2>&1 | tail -c 20; touch $'a\\nb' $'\\xff\\xfe' ' ' '*'; ls -b`,
  "many files are listed once each": `
    for i in $(seq 1 700); do : > "file-$i"; done; ls | wc -l; ls -l | wc -l; ls -f | sort | uniq -d; rm file-*; ls`,
};

/** A listing with everything that both should have in common. */
const LISTING = `find . -printf '%P %y %m %U:%G %n %s %l\\n' | sed -E 's/^([^ ]*) d ([^ ]+ [^ ]+ [^ ]+) [0-9]+/\\1 d \\2/' | sort`;

describe("the mirror", { skip, timeout: 180_000 }, () => {
  let mirror: Mirrored;
  before(async () => {
    mirror = await Mirrored.start();
  });
  after(() => mirror.remove());

  for (const [index, [name, script]] of Object.entries(SCRIPTS).entries()) {
    test(name, () => {
      const directory = `case-${index}`;
      for (const parent of [mirror.mountpoint, plain]) mkdirSync(join(parent, directory));
      const [ours, theirs] = [shell(mirror.path(directory), script), shell(join(plain, directory), script)];
      assert.equal(ours.output, theirs.output);
      assert.equal(ours.status, theirs.status);
      const expected = shell(join(plain, directory), LISTING).output;
      assert.equal(shell(mirror.path(directory), LISTING).output, expected);
      assert.equal(shell(mirror.below(directory), LISTING).output, expected);
    });
  }

  test("exchanging and not replacing are renames as below", () => {
    const script = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(a, b, flags):
    r = libc.renameat2(-100, a.encode(), -100, b.encode(), flags)
    print(a, b, flags, r and ctypes.get_errno())
open("a", "w").write("a"); open("b", "w").write("b")
renameat2("a", "b", 1); renameat2("a", "b", 2); print(open("a").read(), open("b").read()); renameat2("a", "c", 1)
fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
os.write(fd, b"unnamed")
os.link(f"/proc/self/fd/{fd}", "named", follow_symlinks=True)
print(open("named").read(), oct(os.stat("named").st_mode))
`;
    const outputs = [mirror.mountpoint, plain].map((parent) => {
      const directory = join(parent, "renames");
      mkdirSync(directory);
      return shell(directory, `python3 - <<'END'\n${script}\nEND`).output;
    });
    assert.equal(outputs[0], outputs[1]);
  });

  test("users get what their own files and groups allow, and files are theirs", () => {
    const script = `
      as() { setpriv --reuid 1234 --regid 1234 --clear-groups "$@"; }
      chmod 755 .; as touch no; mkdir open; chmod 1777 open; as touch open/theirs; as mkdir open/dir; as ln -s x open/link
      as mkfifo open/fifo; stat -c '%u:%g %a %F' open/*; echo secret > open/root; chmod 600 open/root; as cat open/root; as rm -f open/root
      as chmod 600 open/theirs; as chown 0 open/theirs; as sh -c 'echo mine > open/theirs; cat open/theirs'`;
    const outputs = [mirror.mountpoint, plain].map((parent) => {
      const directory = join(parent, "users");
      mkdirSync(directory);
      return shell(directory, script).output;
    });
    assert.equal(outputs[0], outputs[1]);
  });

  for (const [name, options] of [
    ["passed through", []],
    ["through requests", ["--no-passthrough"]],
  ] as const) {
    test(`what users write takes set-id bits and capabilities away, ${name}`, async () => {
      const one = await Mirrored.start(options);
      try {
        const script = `
          as() { setpriv --reuid 1234 --regid 1234 --clear-groups "$@"; }
          for way in 'echo x >> f' 'echo x > f' 'truncate -s 1 f'; do
            rm -f f; echo some text > f; setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= f; chmod 6777 f; stat -c %a f
            as sh -c "$way"; stat -c %a f; getfattr -m - -d f
          done`;
        const directory = join(plain, `set-id-${options.length}`);
        mkdirSync(directory);
        assert.equal(shell(one.mountpoint, script).output, shell(directory, script).output);
      } finally {
        await one.remove();
      }
    });
  }

  test("what changes in the source shows, at once without remembering", async () => {
    const other = await Mirrored.start(["--valid", "0"], mirror.source);
    try {
      writeFileSync(mirror.below("changing"), "1");
      assert.equal(readFileSync(other.path("changing"), "utf8"), "1");
      writeFileSync(mirror.below("changing"), "longer");
      assert.equal(statSync(other.path("changing")).size, 6);
      assert.equal(readFileSync(other.path("changing"), "utf8"), "longer");
      unlinkSync(mirror.below("changing"));
      assert.throws(() => statSync(other.path("changing")), { code: "ENOENT" });
      mkdirSync(mirror.below("changing"));
      assert.deepEqual(readdirSync(other.path("changing")), []);
    } finally {
      await other.remove();
    }
  });

  test("files of an overlay whose inode numbers have 64 bits are files of their own", async (t) => {
    const folder = join(plain, "overlay");
    const below = (...parts: string[]) => join(folder, ...parts);
    for (const part of ["lower", "upper", "merged"]) mkdirSync(below(part), { recursive: true });
    const options = `xino=on,lowerdir=${below("lower")},upperdir=${below("upper/data")},workdir=${below("upper/work")}`;
    const made = shell(
      folder,
      `mount -t tmpfs none lower; mount -t tmpfs none upper; mkdir upper/data upper/work lower/d
       echo a > lower/a; echo b > lower/b; echo c > lower/d/c; mount -t overlay -o ${options} none merged`,
    );
    let one: Mirrored | undefined;
    try {
      if (made.status !== 0) return t.skip("no overlay with xino");
      one = await Mirrored.start(["--stack-depth", "2"], below("merged"));
      shell(one.mountpoint, "echo more >> b");
      const listing = "ls -iR; cat a b d/c; stat -c '%i %h %n' a b d/c";
      const ours = shell(one.mountpoint, listing);
      assert.deepEqual(ours, shell(below("merged"), listing));
      assert.match(ours.output, /[0-9]{17}/, "they would be numbers as others");
    } finally {
      await one?.remove();
      shell(folder, "umount merged; umount upper; umount lower");
    }
  });

  test("a tree of more files than may be open is walked and read", { skip: canPrune() }, async () => {
    const one = await Mirrored.start([], undefined, ["prlimit", "--nofile=500:500"]);
    try {
      const made = `for d in $(seq 20); do mkdir d$d; (cd d$d; for f in $(seq 100); do echo $f > $f; done); done`;
      assert.deepEqual(shell(one.source, made), { output: "", status: 0 });
      for (let pass = 0; pass < 2; pass++) {
        assert.equal(shell(one.mountpoint, "ls -lR | grep -c '^-'").output, "2000\n");
        assert.equal(shell(one.mountpoint, "cat d*/* | wc -l").output, "2000\n");
      }
      assert.equal(one.output.trim().split("\n").length, 1, one.output);
    } finally {
      await one.remove();
    }
  });

  test("Ctrl-C unmounts, a wrong source or option mounts nothing", async () => {
    const one = await Mirrored.start();
    try {
      writeFileSync(one.path("file"), "kept");
      assert.equal(await one.interrupt(), 0);
      assert.deepEqual(readdirSync(one.mountpoint), []);
      assert.equal(readFileSync(one.below("file"), "utf8"), "kept");
    } finally {
      await one.remove();
    }
    await assert.rejects(Mirrored.start([], "/nowhere/at/all"), /ENOENT/);
    await assert.rejects(Mirrored.start(["--stack-depth", "3"]), /--stack-depth 3: 1 or 2/);
    await assert.rejects(Mirrored.start([], tmpdir()), /is inside .* mirror itself for ever/);
    await assert.rejects(Mirrored.start(["--valid", "x"]), /--valid x: 0 to 86400/);
  });
});
