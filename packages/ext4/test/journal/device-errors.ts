/** A workload on a device that fails, and what has to be true afterwards. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { FailingDevice } from "../../src/device/failing.js";
import { IoLater } from "../../src/device/io-later.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { isEngineError } from "../../src/errors.js";
import type { FileSystem, MountOptions } from "../../src/filesystem.js";
import { BlockMapping } from "../../src/map/mapping.js";
import { TestEnvironment } from "../images.js";
import { bytesOf, contentsOf, hash, mountForWriting, overwrite, remove, writeFile } from "./writing.js";

export interface Trial {
  readonly options: MountOptions;
  /** The step that fails, from 1 on; and whether all after it do. */
  readonly step: number;
  readonly lasting: boolean;
  /** Decides how commits go on in the background, [0, 1); undefined: there is none. */
  readonly background?: (() => number) | undefined;
}

export interface Outcome {
  /** What is on the disk. */
  readonly disk: Uint8Array;
  /** Lines of `contentsOf` that a successful sync has vouched for and nothing was done to since. */
  readonly synced: ReadonlySet<string>;
  readonly errors: readonly unknown[];
  /** Calls of sync and fsync that succeeded, and that did not, after the first error. */
  readonly refused: number;
  /** Whether the device failed a step. */
  readonly failed: boolean;
  readonly log: readonly string[];
}

/** What is to be seen of a file, once it is synced. */
interface Pending {
  readonly path: string;
  readonly contents: Uint8Array;
}

/** Does all of the workload, whatever fails of it, as clients do. */
export function play(image: Uint8Array, { options, step, lasting, background }: Trial): Outcome {
  const disk = new MemoryDevice(image.slice());
  let failed = false;
  const device = new FailingDevice(new MemoryDevice(image.slice()), disk, (at) => {
    const fails = at === step || (lasting && at > step);
    if (fails) failed = true;
    return fails;
  });
  const errors: unknown[] = [];
  const synced = new Map<string, string>();
  let refused = 0;
  const environment = new TestEnvironment();
  const attempt = (work: () => void): boolean => {
    try {
      work();
      return true;
    } catch (error) {
      if (!isEngineError(error)) throw error;
      errors.push(error);
      return false;
    }
  };
  const outcome = () => ({
    disk: disk.bytes,
    synced: new Set(synced.values()),
    errors,
    refused,
    failed,
    log: environment.lines,
  });

  let mounted: FileSystem | undefined;
  attempt(() => {
    mounted = mountForWriting(device, options, environment);
  });
  if (mounted === undefined) return outcome();
  const fileSystem = mounted;
  const { root } = fileSystem;
  const { transactions } = fileSystem.volume;
  if (background !== undefined && transactions !== undefined) transactions.background = new IoLater(background);

  let pending: Pending[] = [];
  const mapping = new BlockMapping();
  /** What comes after a file changed: it may be as it was, or as it is to be. */
  const write = (path: string, contents: Uint8Array): void => {
    synced.delete(path);
    pending = pending.filter((file) => file.path !== path);
    attempt(() => {
      const there = fileSystem.lookup(root, bytesOf(path));
      if (there !== 0) {
        const inode = fileSystem.inode(there);
        fileSystem.resize(inode, 0);
        put(fileSystem, inode.ino, contents);
      } else if (fileSystem.volume.transactions?.journalsAllData === true) {
        const inode = fileSystem.create(root, bytesOf(path), { mode: 0o100644, uid: 0, gid: 0 });
        put(fileSystem, inode.ino, contents);
      } else writeFile(fileSystem, root, path, contents);
      pending.push({ path, contents });
    });
  };
  /** In place: no transaction has anything of it, so that a flush is all that fsync does. */
  const rewrite = (path: string, contents: Uint8Array): void => {
    synced.delete(path);
    pending = pending.filter((file) => file.path !== path);
    attempt(() => {
      const ino = fileSystem.lookup(root, bytesOf(path));
      if (ino === 0 || fileSystem.inode(ino).size !== contents.length) return;
      const inode = fileSystem.inode(ino);
      if (fileSystem.journalsData(inode)) return;
      const { blockSize } = fileSystem.geometry;
      const padded = new Uint8Array(Math.ceil(contents.length / blockSize) * blockSize);
      padded.set(contents);
      for (let at = 0; at < padded.length; ) {
        fileSystem.mapBlocks(inode, at / blockSize, mapping);
        const end = Math.min(padded.length, (mapping.fileBlock + mapping.length) * blockSize);
        const block = mapping.block + at / blockSize - mapping.fileBlock;
        device.write(block * blockSize, padded.subarray(at, end));
        at = end;
      }
      pending.push({ path, contents });
    });
  };
  const unlink = (path: string): void => {
    synced.delete(path);
    pending = pending.filter((file) => file.path !== path);
    attempt(() => {
      if (fileSystem.lookup(root, bytesOf(path)) !== 0) remove(fileSystem, root, path);
    });
  };
  const vouch = (files: readonly Pending[]): void => {
    for (const { path, contents } of files) {
      // Not if somebody was at it meanwhile.
      if (pending.some((file) => file.path === path && file.contents === contents)) {
        synced.set(path, lineOf(path, contents));
      }
    }
  };
  const sync = (path?: string): void => {
    const files = path === undefined ? [...pending] : pending.filter((file) => file.path === path);
    const before = errors.length;
    const done = attempt(() => {
      const ino = path === undefined ? undefined : fileSystem.lookup(root, bytesOf(path));
      if (ino === 0) return;
      const inode = ino === undefined ? undefined : fileSystem.inode(ino);
      if (background === undefined || transactions === undefined) {
        if (inode === undefined) fileSystem.sync();
        else fileSystem.fsync(inode);
        vouch(files);
        return;
      }
      transactions.syncLater(inode, false, (error) => {
        if (error === undefined) vouch(files);
        else {
          errors.push(error);
          refused++;
        }
      });
      if (background() < 0.5) transactions.wait();
    });
    if (!done || errors.length > before) refused++;
  };

  for (let round = 0; round < 3; round++) {
    const fill = (n: number, length: number) => new Uint8Array(length).fill(16 * round + n + 1);
    write(`a${round}`, fill(1, 9000));
    sync(`a${round}`);
    write(`b${round}`, fill(2, 3000));
    attempt(() => fileSystem.mkdir(root, bytesOf(`dir${round}`), { mode: 0o755, uid: 0, gid: 0 }));
    sync();
    write(`b${round}`, fill(3, 20_000));
    sync(`b${round}`);
    if (round > 0) unlink(`a${round - 1}`);
    write(`c${round}`, fill(4, 6000));
    sync(`c${round}`);
    rewrite(`b${round}`, fill(5, 20_000));
    rewrite(`c${round}`, fill(6, 6000));
    sync(`b${round}`);
    sync(`c${round}`);
    attempt(() => fileSystem.tick());
  }
  attempt(() => fileSystem.unmount());
  if (errors.length === 0) vouch(pending);
  return outcome();
}

function put(fileSystem: FileSystem, ino: number, contents: Uint8Array): void {
  const inode = fileSystem.inode(ino);
  if (fileSystem.journalsData(inode)) fileSystem.writeJournalled(inode, 0, contents);
  else overwrite(fileSystem, inode, contents);
}

function lineOf(path: string, contents: Uint8Array): string {
  return `/${path} ${hash(contents)}`;
}

/** After a failure: no error but of the device and what follows from it; what was vouched for is there; e2fsck has nothing to say. */
export function check({ disk, synced, errors }: Outcome, scratch: string, journalled: boolean, label: string): void {
  for (const error of errors) {
    const { code } = error as { readonly code?: unknown };
    assert.ok(["ERR_EXT4_DEVICE", "EIO", "EROFS"].includes(String(code)), `${label}: ${String(error)}`);
  }
  const theirs = fsck(disk, scratch, ["-fy"]);
  assert.ok(theirs.status === 0 || theirs.status === 1, `${label}: e2fsck -fy: ${theirs.status} ${theirs.output}`);
  const again = fsck(theirs.image, scratch, ["-fn"]);
  assert.equal(again.status, 0, `${label}: e2fsck -fn after -fy: ${again.output}`);
  if (!journalled) return;
  const recovered = new MemoryDevice(disk.slice());
  const environment = new TestEnvironment();
  mountForWriting(recovered, {}, environment).unmount();
  const found = new Set(contentsOf(new MemoryDevice(recovered.bytes.slice())));
  for (const line of synced)
    assert.ok(found.has(line), `${label}: ${line} was synced; there are ${[...found].join("; ")}`);
  const ours = fsck(recovered.bytes, scratch, ["-fn"]);
  if (ours.status === 0) return;
  // On a file system with errors, nobody trusts the list of orphans (ext4_orphan_cleanup, release_orphan_inodes): they stay for e2fsck.
  assert.ok(
    environment.lines.some((line) => line.includes("the list of orphans is dropped")),
    `${label}: ${ours.output}`,
  );
  const wrong = ours.output.split("\n").filter((line) => !OF_ORPHANS.test(line));
  assert.deepEqual(wrong, [], `${label}: e2fsck -fn after our recovery`);
}

/** What e2fsck says of inodes without a name that are in no list: they, and what they take, count as free. */
const OF_ORPHANS =
  /^(|Pass \d.*|Deleted inode \d+ has zero dtime\. {2}Fix\? no|(Block|Inode) bitmap differences: {2}-.*|Fix\? no|.*(WARNING: Filesystem still has errors|files \(.*blocks$).*|e2fsck .*)$/;

function fsck(
  image: Uint8Array,
  path: string,
  options: string[],
): { status: number; output: string; image: Uint8Array } {
  fs.writeFileSync(path, image);
  const { status, stdout, stderr } = spawnSync("e2fsck", [...options, path], { encoding: "utf8" });
  return { status: status ?? -1, output: `${stdout}${stderr}`, image: new Uint8Array(fs.readFileSync(path)) };
}
