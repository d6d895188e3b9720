import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** The images the benchmarks read, made by mke2fs and filled by the kernel. */
export interface BenchImages {
  /** A 1 GiB file, directories of 20,000 and 100,000 names, a tree of 30,000 files. */
  readonly main: string;
  /** 200,000 inodes in use. */
  readonly inodes: string;
  /** A file of 768 MiB in some 3,000 pieces, between files of 256 KiB. */
  readonly pieces: string;
  /** An archive of 30,000 files. */
  readonly archive: string;
}

function shell(script: string): void {
  execFileSync("bash", ["-euo", "pipefail", "-c", script], { stdio: ["ignore", "ignore", "inherit"] });
}

function make(image: string, size: string, mkfs: string, fill: string): void {
  if (existsSync(image)) return;
  const partial = `${image}.partial`;
  const mountpoint = `${image}.mnt`;
  mkdirSync(mountpoint, { recursive: true });
  try {
    shell(
      `truncate -s ${size} '${partial}'; mke2fs -q -F -t ext4 ${mkfs} '${partial}'; mount -o loop '${partial}' '${mountpoint}'`,
    );
    try {
      shell(`cd '${mountpoint}'; ${fill}`);
    } finally {
      spawnSync("umount", [mountpoint]);
    }
    shell(`e2fsck -fn '${partial}'; mv '${partial}' '${image}'`);
  } finally {
    rmSync(mountpoint, { recursive: true, force: true });
    rmSync(partial, { force: true });
  }
}

/** Makes the images below `directory`, unless they are there already. */
export function makeImages(directory: string): BenchImages {
  mkdirSync(directory, { recursive: true });
  const main = join(directory, "main.img");
  const inodes = join(directory, "inodes.img");
  make(
    main,
    "3G",
    "-N 300000",
    `head -c 1G /dev/urandom > big; echo small > small; echo note > attributes; setfattr -n user.note -v "a note of some length" attributes
     python3 - <<'END'
import os
os.mkdir("many")
for i in range(20000):
    with open(f"many/file-{i}", "w") as f: f.write(f"{i}\\n")
os.mkdir("huge")
for i in range(100000): os.mknod(f"huge/name-{i}")
for d in range(300):
    path = f"tree/{d % 10}/{d // 10 % 10}/dir-{d}"
    os.makedirs(path)
    for i in range(100):
        with open(f"{path}/source-{i}.txt", "w") as f: f.write("line of text\\n" * (i * 7 % 600))
END`,
  );
  make(
    inodes,
    "2G",
    "-N 260000",
    `python3 -c '
import os
for d in range(200):
    os.mkdir(f"d{d}")
    for i in range(1000): os.mknod(f"d{d}/f{i}")'`,
  );
  const pieces = join(directory, "pieces.img");
  make(
    pieces,
    "2G",
    "-m 0",
    `python3 - <<'END'
import os
data = os.urandom(256 << 10)
os.mkdir("between")
made = 0
try:
    while True:
        with open(f"between/{made}", "wb") as f: f.write(data)
        made += 1
except OSError: pass
os.sync()
for i in range(0, made, 2): os.unlink(f"between/{i}")
os.sync()
with open("big", "wb") as f:
    for i in range(96): f.write(os.urandom(8 << 20))
END`,
  );
  const archive = join(directory, "tree.tar");
  if (!existsSync(archive)) {
    const at = mkdtempSync(join(directory, "tree-"));
    try {
      shell(
        `mount -o loop,ro '${main}' '${at}'; tar -C '${at}' -cf '${archive}.partial' tree; umount '${at}'; mv '${archive}.partial' '${archive}'`,
      );
    } finally {
      spawnSync("umount", [at], { stdio: "ignore" });
      rmdirSync(at);
    }
  }
  return { main, inodes, pieces, archive };
}

/** Does something with a fresh, empty file system of 4 GiB, which is gone afterwards whatever happens. */
export function withEmptyImage<T>(directory: string, work: (image: string) => T): T {
  const image = join(directory, "empty.img");
  try {
    rmSync(image, { force: true });
    shell(`truncate -s 4G '${image}'; mke2fs -q -F -t ext4 -E lazy_itable_init=0 '${image}'`);
    return work(image);
  } finally {
    rmSync(image, { force: true });
  }
}
