// npm start: installs, builds, and does the main job on a small real image: looks inside without a mount, then, where FUSE
// is there, mounts it, reads it through the kernel, and unmounts.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { prepare, root } from "./prepare.mjs";

/** SHA-256 of this file, as the kernel that wrote the image read it. */
const FILE = "manifest/cargo.txt";
const SHA256 = "4dee400da20bb6b7cfd1721c3383c86bb26571402edfe6631109445b28632130";

const bulkhead = join(root, "packages", "cli", "bin", "bulkhead.js");

function show(...args) {
  console.log(`\n$ bulkhead ${args.join(" ")}`);
  const { status } = spawnSync(process.execPath, [bulkhead, ...args], { stdio: "inherit" });
  if (status !== 0) throw new Error(`bulkhead ${args[0]} failed`);
}

async function sha256(stream) {
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
}

function verify(how, digest) {
  if (digest !== SHA256) throw new Error(`${FILE} read ${how} has SHA-256 ${digest}, expected ${SHA256}`);
  console.log(`\n${FILE} read ${how}: SHA-256 ${digest.slice(0, 16)}… is what Linux wrote.`);
}

/** Why no mount can be tried here, or undefined. */
function noFuse() {
  if (process.platform !== "linux") return `${process.platform} has no /dev/fuse`;
  if (!existsSync("/dev/fuse")) return "there is no /dev/fuse (modprobe fuse?)";
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
  } catch {
    return "/dev/fuse is not yours to open (as root it works)";
  }
  if (process.getuid() !== 0 && spawnSync("fusermount3", ["--version"]).status !== 0) {
    return "without root, fusermount3 is needed (Debian's package fuse3)";
  }
  return undefined;
}

prepare();
const scratch = mkdtempSync(join(tmpdir(), "bulkhead-start-"));
let mounted = false;
const mountpoint = join(scratch, "mnt");
try {
  const image = join(scratch, "demo.img");
  writeFileSync(image, gunzipSync(readFileSync(join(root, "examples", "demo", "demo.img.gz"))));

  show("info", image);
  show("tree", "-L", "2", `${image}:/`);
  const cat = spawn(process.execPath, [bulkhead, "cat", `${image}:/${FILE}`], { stdio: ["ignore", "pipe", "inherit"] });
  verify("without a mount", await sha256(cat.stdout));

  const reason = noFuse();
  if (reason === undefined) {
    mkdirSync(mountpoint);
    show("mount", "-o", "ro", image, mountpoint);
    mounted = true;
    console.log(`\n$ ls -l ${mountpoint}`);
    spawnSync("ls", ["-l", mountpoint], { stdio: "inherit", timeout: 20_000 });
    verify("through the mount", await sha256(createReadStream(join(mountpoint, FILE))));
    show("umount", mountpoint);
    mounted = false;
  } else {
    console.log(`\nNo mount here: ${reason}. Everything above works without one.`);
  }
  console.log(`
Next, with an image or a device of yours:
  npx bulkhead info disk.img
  npx bulkhead ls -l disk.img:/etc
  npx bulkhead cp -r disk.img:/home/me ./rescued
  npx bulkhead mount disk.img /mnt         (and: npx bulkhead umount /mnt)
  npx bulkhead --help`);
} catch (error) {
  console.error(`bulkhead: ${error.message}`);
  process.exitCode = 1;
} finally {
  if (mounted) spawnSync(process.execPath, [bulkhead, "umount", mountpoint], { stdio: "inherit" });
  rmSync(scratch, { recursive: true, force: true });
}
