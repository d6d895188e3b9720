/** What tests of written fast commits share: those who replay them, and what they come to. */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { MemoryDevice } from "../../src/device/memory.js";
import { FastCommitHead, FastCommitHeader, FastCommitTag } from "../../src/format/journal.js";
import { openJournal } from "../../src/journal/journal-inode.js";
import { recoverLog } from "../../src/journal/replay.js";
import { Ext4 } from "../../src/library/ext4.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { TestEnvironment } from "../images.js";
import { run, type Workshop } from "./dirty-image.js";
import { mountForWriting } from "./writing.js";

/** Everything that a replay has to bring back, as lines that can be compared. Directories have no times: fast commits tell none. */
export function treeOf(image: Uint8Array): string[] {
  const ext4 = Ext4.open(new MemoryDevice(image, { readOnly: true }), {}, new TestEnvironment());
  const lines: string[] = [];
  const walk = (path: string): void => {
    for (const entry of ext4.readDirectory(path)) {
      const below = `${path === "/" ? "" : path}/${entry.name}`;
      if (below === "/lost+found") continue;
      const stats = ext4.lstat(below);
      const about = `${stats.mode.toString(8)} ${stats.uid}:${stats.gid} ${stats.links}`;
      if (entry.kind === "directory") {
        lines.push(`${below} ${about}`);
        walk(below);
        continue;
      }
      const contents = entry.kind === "symlink" ? ext4.readLinkBytes(below) : ext4.readFile(below);
      const hash = createHash("sha256").update(contents).digest("hex").slice(0, 12);
      const { seconds, nanoseconds } = stats.mtime;
      lines.push(`${below} ${about} ${stats.size} ${seconds}.${nanoseconds} ${hash}`);
    }
  };
  walk("/");
  ext4.close();
  return lines.sort();
}

/** Who replays an image: what it leaves behind has been found clean by `e2fsck -fn`. */
export const REPLAYS: Readonly<Record<string, (image: Uint8Array, workshop: Workshop) => Uint8Array>> = {
  "a mount for reading": (image) => image,
  "a mount for writing": (image, workshop) => {
    const bytes = image.slice();
    const mounted = mountForWriting(new MemoryDevice(bytes));
    mounted.unmount();
    return onDisk(bytes, workshop, () => undefined);
  },
  // A mount for reading leaves a clean file system too, and does not wait for who else may still see the mount.
  "the kernel": (image, workshop) =>
    onDisk(image, workshop, (path) =>
      workshop.mounted(path, "noatime", (at) => {
        run("mount", ["-o", "remount,ro", at]);
        return fs.readFileSync(path);
      }),
    ),
  e2fsck: (image, workshop) =>
    onDisk(image, workshop, (path) => {
      run("e2fsck", ["-fy", path], [0, 1]);
      return undefined;
    }),
};

/**
 * Whether e2fsck 1.47 fails (EINVAL) and leaves the log unread: the last transaction is complete, and the fast commits that came before
 * it are still there. The kernel and this engine know by their number that they do not count.
 */
export function confusesE2fsck(image: Uint8Array): boolean {
  const volume = openVolume(new MemoryDevice(image, { readOnly: true }), {}, new TestEnvironment());
  const log = openJournal(volume);
  if (log.start === 0 || log.fastCommitFirst === log.fastCommitEnd) return false;
  const block = new Uint8Array(log.blockSize);
  log.read(log.fastCommitFirst, block);
  const view = new DataView(block.buffer);
  if (view.getUint16(0, true) !== FastCommitTag.head) return false;
  return FastCommitHead.at(view, FastCommitHeader.size).tid !== recoverLog(volume, log).end;
}

let images = 0;

/** Has an image changed in a file of its own, and its changed form found clean. @param change may return that form */
function onDisk(image: Uint8Array, workshop: Workshop, change: (path: string) => Uint8Array | undefined): Uint8Array {
  const path = workshop.path(`crashed-${++images}.img`);
  const changedPath = `${path}.changed`;
  try {
    fs.writeFileSync(path, image);
    const changed = change(path) ?? fs.readFileSync(path);
    fs.writeFileSync(changedPath, changed);
    run("e2fsck", ["-fn", changedPath]);
    return new Uint8Array(changed);
  } finally {
    fs.rmSync(path, { force: true });
    fs.rmSync(changedPath, { force: true });
  }
}
