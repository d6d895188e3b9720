import * as fs from "node:fs";
import { join } from "node:path";
import { tool } from "./command.js";

/** Fills the file system at argv[1] with one of everything that a copy has to keep. */
const FILL = `
import os, struct, socket, sys
root = os.fsencode(sys.argv[1])
def at(name): return os.path.join(root, name if isinstance(name, bytes) else name.encode())
def write(name, data=b"", mode=0o644):
    with open(at(name), "wb") as f: f.write(data)
    os.chmod(at(name), mode)
def acl(*entries): return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)
N = 2**32 - 1
entries = [(1, 7, N), (2, 5, 1000), (2, 4, 70000), (4, 5, N), (8, 1, 33), (16, 7, N), (32, 0, N)]
write("plain", b"plain\\n" * 1000)
write("empty")
write("tiny", b"inline?")
write("suid", b"#!/bin/true\\n", 0o6755)
write("readonly", b"r", 0o400); os.setxattr(at("readonly"), "user.kept", b"even here")
with open(at("sparse"), "wb") as f:
    f.seek(1 << 20); f.write(b"x" * 5000); f.seek(5 << 30); f.write(b"end"); f.truncate((5 << 30) + (1 << 20))
with open(at("zeros"), "wb") as f: f.write(bytes(1 << 20))
with open(at("preallocated"), "wb") as f:
    os.posix_fallocate(f.fileno(), 0, 1 << 20); f.seek(8192); f.write(b"written"); f.seek(0)
with open(at("tail-hole"), "wb") as f: f.write(b"head"); f.truncate(123457)
write("big", bytes(range(256)) * 20000)
for name in ("attributes", "capability"): write(name, name.encode(), 0o755)
os.setxattr(at("attributes"), "user.text", "Straße".encode()); os.setxattr(at("attributes"), "user.empty", b"")
os.setxattr(at("attributes"), "trusted.t", b"\\0\\1\\2"); os.setxattr(at("attributes"), b"user.\\xff\\x01", b"odd name")
os.setxattr(at("attributes"), "user.large", b"L" * int(sys.argv[2]))
os.setxattr(at("capability"), "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
write("acl", b"acl", 0o640); os.setxattr(at("acl"), "system.posix_acl_access", acl(*entries))
os.mkdir(at("dir-acl"), 0o750); os.setxattr(at("dir-acl"), "system.posix_acl_default", acl(*entries))
write("dir-acl/heir", b"heir"); os.mkdir(at("dir-acl/below")); os.removexattr(at("dir-acl/heir"), "system.posix_acl_access")
os.chown(at("acl"), 1000, 33); os.chown(at("suid"), 4242, 70000)
os.mkdir(at("d")); os.mkdir(at("d/e")); os.mkdir(at("d/sticky")); os.chmod(at("d/sticky"), 0o3777)
os.link(at("plain"), at("d/linked")); os.link(at("plain"), at("d/e/linked again"))
os.symlink("plain", at("link")); os.symlink("/etc/passwd", at("absolute")); os.symlink("x" * 1000, at("long-link"))
os.symlink("nowhere", at("d/twin")); os.link(at("d/twin"), at("d/twin2"), follow_symlinks=False)
os.setxattr(at("link"), "trusted.of-link", b"l", follow_symlinks=False); os.chown(at("link"), 5, 6, follow_symlinks=False)
os.mkfifo(at("fifo"), 0o622); os.mknod(at("null"), 0o020666, os.makedev(1, 3)); os.mknod(at("disk"), 0o060640, os.makedev(259, 70000))
s = socket.socket(socket.AF_UNIX); os.chdir(at("d")); s.bind("socket"); os.chdir("/")
for name in (b"caf\\xc3\\xa9", b"not utf-8 \\xff\\xfe", b"control \\x1b[31m\\x07\\n", b"-rf", b"back\\\\slash", b" ", b"n" * 255):
    write(name, name)
for n in range(300): write("d/e/%03d" % n, b"%d" % n)
times = [("plain", 1, 999999999), ("sparse", -2**31, 1), ("big", 2**33 + 5, 123456789), ("link", 77, 7), ("fifo", 10**9, 10), ("acl", 0, 0),
         ("d/e", 2**31, 42), ("d", 1234567890, 987654321), ("dir-acl", 3, 3), ("long-link", 9, 9), ("null", 8, 8)]
for name, s, ns in times: os.utime(at(name), ns=(s * 10**9 + ns, (s + 1) * 10**9 + ns), follow_symlinks=False)
`;

/** Makes an image at `path` that the kernel filled, and with `oracle` a directory that the kernel and cp -a copied it to. */
export function makeFilledImage(path: string, options: readonly string[], oracle?: string): void {
  fs.writeFileSync(path, "");
  fs.truncateSync(path, 64 << 20);
  tool("mke2fs", "-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0,root_owner=12:34", ...options, path);
  const mountpoint = `${path}.mnt`;
  fs.mkdirSync(mountpoint);
  // One that fills much of an attribute block.
  const largest = options.includes("1024") ? 300 : 3000;
  const copy = oracle === undefined ? "" : ' && mount -o remount,ro "$2" && cp -a "$2" "$4"';
  const loop =
    'loop=$(losetup -f --show "$1") && { mount -t ext4 "$loop" "$2"; s=$?; losetup -d "$loop"; [ $s = 0 ]; }';
  const script = `${loop} && python3 -c "$3" "$2" "$5"${copy} && umount "$2"`;
  // A loop device of its own, which frees itself on unmount: `-o loop` may take that of an earlier mount of the file. In a mount namespace of its own, so that nothing stays mounted whatever happens.
  tool("unshare", "-m", "sh", "-c", script, "sh", path, mountpoint, FILL, oracle ?? "", String(largest));
  fs.rmdirSync(mountpoint);
}

/** Makes an image that the file `script` of debugfs's requests changed: for what the kernel would not do. */
export function debugfs(path: string, requests: readonly string[]): void {
  const script = join(`${path}.debugfs`);
  fs.writeFileSync(script, `${requests.join("\n")}\n`);
  tool("debugfs", "-w", "-f", script, path);
}

/** Makes an image of a directory, without a mount and without checksums, so that a test can edit its bytes. */
export function makeImageOf(path: string, directory: string, mebibytes = 8): void {
  fs.writeFileSync(path, "");
  fs.truncateSync(path, mebibytes << 20);
  tool("mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^dir_index", "-d", directory, path);
}

/** Gives the only directory entry called `from` another name of at most as many bytes. */
export function renameInPlace(bytes: Buffer, from: string, to: string): void {
  // An entry is inode, length of the entry, length of the name, type, name.
  for (let at = bytes.indexOf(from, 0, "latin1"); at !== -1; at = bytes.indexOf(from, at + 1, "latin1")) {
    if (bytes[at - 2] !== from.length) continue;
    bytes[at - 2] = to.length;
    bytes.write(to, at, "latin1");
    return;
  }
  throw new Error(`no entry ${from}`);
}

/** Runs a shell command on a terminal, and keeps what it showed in `log`. */
export function onTerminal(line: string, log: string): void {
  tool("script", "-q", "-e", "-c", line, log);
}
