// Oracle: the kernel's ext4 on a read-only loop mount of the same image. Debian's tools and bare system calls must find the same.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { withoutMountTools } from "../facilities.js";
import { type Answer, ask, Bench } from "./served-mount.js";
import { makeTree } from "./tree.js";

const PROBE = fileURLToPath(new URL("../../src/mount/probe.py", import.meta.url));
const NOBODY = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];

describe("a mount, beside the kernel's of the same image", { skip: withoutMountTools() }, () => {
  let bench: Bench;
  let ours = "";
  let theirs = "";

  before(async () => {
    bench = new Bench();
    const image = bench.path("image");
    makeTree(image);
    theirs = bench.loop(image);
    ours = (await bench.serve(image, ["ro", "allow_other", "suid", "dev"])).mountPoint;
  });
  after(() => bench.clear());

  /** Runs a command in both mounts and compares what it says; what it said. */
  function same(command: string, ...args: string[]): Answer {
    const expected = ask(command, args, theirs);
    const found = ask(command, args, ours);
    assert.deepEqual(found.stdout.split("\n"), expected.stdout.split("\n"), `${command} ${args.join(" ")}`);
    assert.deepEqual(found, expected);
    return found;
  }

  it("df and stat -f count the same", () => {
    for (const format of ["%S %b %f %a %c %d %l"]) same("stat", "-f", "-c", format, ".");
    same("df", "--output=itotal,iused,iavail,size,used,avail", ".");
  });

  it("ls -lR shows the same, to the nanosecond", () => {
    const { stdout } = same("ls", "-lisRAn", "--time-style=full-iso", ".");
    assert.ok(stdout.split("\n").length > 1500);
  });

  it("stat shows the same, the time of birth too", () => {
    same("find", ".", "-exec", "stat", "-c", "%n %a %b %f %F %g %h %i %o %s %t %T %u %W %X %Y %Z %w", "{}", "+");
  });

  it("getfacl and getfattr show the same", () => {
    const { stdout } = same("getfacl", "-R", "-n", "-p", ".");
    assert.match(stdout, /user:65534:/);
    same("getfattr", "-R", "-h", "-d", "-m", "-", "-e", "hex", ".");
  });

  it("lsattr shows the same flags, projects and versions", () => {
    // lsattr lists in the order of the directory, in which . and .. have no fixed place.
    const { stdout } = same("sh", "-c", "lsattr -R -a -p -v . | sort");
    assert.match(stdout, /77 /);
    same("lsattr", "-l", "flags");
  });

  it("every ioctl that reads gives the same, and writes no byte more", () => {
    const { stdout } = same("python3", PROBE, "ioctls", ".");
    assert.match(stdout, /GETVERSION of flags\/nodump 39300000a5/);
  });

  it("refuses what would write, and names that cannot be, with the same errors", () => {
    const { stdout } = same("python3", PROBE, "refusals", ".");
    assert.ok(stdout.split("EROFS").length > 15, stdout);
    for (const code of ["ENAMETOOLONG", "ELOOP", "ENOENT", "ENOTDIR", "EISDIR", "ENODATA"]) {
      assert.ok(stdout.includes(code), code);
    }
  });

  it("reads, maps, reads directly and seeks the same", () => {
    same("python3", PROBE, "reads", ".");
  });

  it("lists directories from every position", () => {
    const { stdout } = same("python3", PROBE, "directory", ".");
    assert.match(stdout, /many 1502 1502/);
    assert.doesNotMatch(stdout, /False|wrong after seekdir \[\d/);
  });

  it("opens file handles again", () => {
    const { stdout, code } = ask("python3", [PROBE, "handles", "."], ours);
    assert.equal(code, 0);
    assert.deepEqual(stdout.match(/True/g)?.length, 4, stdout);
  });

  it("lets another user do what modes and ACLs allow, and no more", () => {
    const script = `
      for f in access/* access/*/file files/small; do
        for t in r w x; do test -$t "$f" && echo "$f $t yes" || echo "$f $t no"; done
        cat "$f" > /dev/null 2>&1 && echo "$f read" || echo "$f not read"
        test -d "$f" && { ls "$f" > /dev/null 2>&1 && echo "$f listed" || echo "$f not listed"; }
      done
      sh access/run 2>&1; access/suid && echo ran; access/norun || echo $?
      getfattr -d -m - files/small 2>&1`;
    const { stdout } = same("setpriv", ...NOBODY, "sh", "-c", script);
    for (const line of [
      "access/acl read",
      "access/closed not read",
      "access/mask not read",
      "access/denied not read",
    ]) {
      assert.ok(stdout.includes(`${line}\n`), `${line} in ${stdout}`);
    }
    assert.doesNotMatch(stdout, /trusted/);
  });

  it("serves eight readers at once", () => {
    const script = `
      for n in 1 2 3 4 5 6 7 8; do
        (find . -type f -exec cksum {} + | sort | cksum; ls -R . | cksum; find . -type l -exec readlink {} + | cksum) > "$1/$n" &
      done
      wait; cat "$1"/?; rm "$1"/?`;
    const expected = ask("sh", ["-c", script, "sh", bench.directory], theirs);
    const found = ask("sh", ["-c", script, "sh", bench.directory], ours);
    assert.equal(new Set(found.stdout.split("\n")).size, 4, "eight times the same three lines");
    const unordered = (answer: Answer) => answer.stdout.split("\n").filter((_, index) => index % 3 !== 2);
    assert.deepEqual(unordered(found), unordered(expected));
  });
});
