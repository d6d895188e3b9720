/** One small image with a file of each kind, made by mke2fs and debugfs. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Why the image cannot be made here; false if it can. */
export const cannotMakeImages: string | false = ["mke2fs", "debugfs"].some(
  (tool) => spawnSync(tool, ["-V"], { env: environment() }).error !== undefined,
)
  ? "mke2fs and debugfs (e2fsprogs) are not installed"
  : false;

function environment(): NodeJS.ProcessEnv {
  const { PATH = "" } = process.env;
  return { ...process.env, PATH: `${PATH}:/usr/sbin:/sbin`, MKE2FS_CONFIG: "/dev/null", LC_ALL: "C" };
}

function run(command: string, args: readonly string[], input = ""): string {
  const result = spawnSync(command, args, { env: environment(), input, encoding: "utf8", timeout: 30_000 });
  // debugfs exits with 0 whatever happens, and says so on standard error below its version.
  const complaint = result.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("debugfs "));
  if (result.status !== 0 || (command === "debugfs" && complaint.length > 0)) {
    throw new Error(`${command} ${args.join(" ")}: ${result.error?.message ?? result.stdout + result.stderr}`);
  }
  return result.stdout;
}

/** Contents of `big`: a byte says where it stands. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + (at >>> 10)) & 0xff);
}

export const BIG_SIZE = 300_123;
export const SPARSE = { data: 200 * 1024, end: 204 * 1024, size: 1024 * 1024 } as const;
export const LONG_TARGET = `/${"far/".repeat(30)}away`;
export const LABEL = "server test";
export const UUID = "01234567-89ab-4cde-8f01-23456789abcd";
/** Names in `many`: a directory of several blocks. */
export const MANY = Array.from({ length: 300 }, (_, n) => `entry-${n}-${"x".repeat(n % 40)}`);

function fill(root: string): void {
  const at = (name: string) => join(root, name);
  fs.writeFileSync(at("hello"), "hello\n");
  fs.writeFileSync(at("empty"), "");
  fs.writeFileSync(at("big"), pattern(BIG_SIZE));
  const sparse = fs.openSync(at("sparse"), "w");
  fs.writeSync(sparse, pattern(SPARSE.end - SPARSE.data), 0, undefined, SPARSE.data);
  fs.ftruncateSync(sparse, SPARSE.size);
  fs.closeSync(sparse);
  fs.symlinkSync("hello", at("link"));
  fs.symlinkSync(LONG_TARGET, at("long-link"));
  fs.mkdirSync(at("many"));
  for (const name of MANY) fs.writeFileSync(join(root, "many", name), "");
}

/** What debugfs adds: what mke2fs -d would take from this machine. */
const DETAILS = `
ea_set hello user.note "a note"
ea_set hello trusted.secret hidden
ea_set hello security.label "for the kernel"
sif hello generation 305419896
sif hello flags 0x100000f0
sif hello mtime @-12345
sif hello mtime_extra 0x00000004
sif hello ctime @1
sif hello ctime_extra 0x0000000b
sif hello crtime @1700000000
sif hello crtime_extra 0xee6b27fc
sif hello uid 70000
sif hello gid 80000
sif many projid 4711
sif many flags 0x20080000
mknod device c 300 7000
punch sparse 0 0
sif sparse size 1048576
`;

let cached: Uint8Array | undefined;

/** The image's bytes, a new copy each time. */
export function makeImage(): Uint8Array {
  cached ??= build();
  return cached.slice();
}

function build(): Uint8Array {
  const directory = fs.mkdtempSync(join(tmpdir(), "bulkhead-server-"));
  try {
    const root = join(directory, "root");
    const image = join(directory, "image");
    fs.mkdirSync(root);
    fill(root);
    const features =
      "none,filetype,extents,dir_index,ext_attr,sparse_super,large_file,huge_file,dir_nlink,flex_bg,metadata_csum,64bit,inline_data,project,extra_isize";
    const options = ["-q", "-F", "-t", "ext4", "-b", "1024", "-I", "256", "-O", features, "-L", LABEL, "-U", UUID];
    run("mke2fs", [...options, "-d", root, image, "4M"]);
    run("debugfs", ["-w", "-f", "-", image], DETAILS);
    return new Uint8Array(fs.readFileSync(image));
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
