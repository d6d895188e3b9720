import { execFileSync } from "node:child_process";
import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readFileSync, readSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { lgetxattr } from "@bulkhead/linux";
import { sequence, type Workload } from "./workload.js";

function readAll(path: string, buffer: Uint8Array): number {
  const fd = openSync(path, "r");
  let bytes = 0;
  for (let got = readSync(fd, buffer); got > 0; got = readSync(fd, buffer)) bytes += got;
  closeSync(fd);
  return bytes;
}

/** What is done with a mount that is only read. */
export const readWorkloads: Record<string, Workload> = {
  "read-sequential": {
    memory: 3 * 2 ** 30,
    run: (directory) => ({ operations: 1, bytes: readAll(join(directory, "big"), Buffer.alloc(1 << 20)) }),
  },

  "read-random-4k": {
    run: (directory) => {
      const fd = openSync(join(directory, "big"), "r");
      const blocks = Math.floor(fstatSync(fd).size / 4096);
      const random = sequence(1);
      const buffer = Buffer.alloc(4096);
      const operations = 16_000;
      for (let i = 0; i < operations; i++)
        readSync(fd, buffer, 0, 4096, Math.floor(random.next().value * blocks) * 4096);
      closeSync(fd);
      return { operations, bytes: operations * 4096 };
    },
  },

  stat: {
    run: (directory) => {
      const base = join(directory, "many");
      for (let i = 0; i < 20_000; i++) lstatSync(`${base}/file-${i}`);
      return { operations: 20_000, bytes: 0 };
    },
  },

  "list-long": {
    run: (directory) => {
      // Itself: it asks for attributes while it reads the directory, and for each file's ACL.
      const listed = execFileSync("ls", ["-l", join(directory, "many")], { encoding: "latin1", maxBuffer: 1 << 26 });
      return { operations: listed.split("\n").length, bytes: 0 };
    },
  },

  "find-cat": {
    run: (directory) => {
      const buffer = Buffer.alloc(1 << 16);
      let operations = 0;
      let bytes = 0;
      const pending = [join(directory, "tree")];
      for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
        for (const entry of readdirSync(path, { withFileTypes: true })) {
          const child = `${path}/${entry.name}`;
          if (entry.isDirectory()) pending.push(child);
          else bytes += readAll(child, buffer);
          operations++;
        }
      }
      return { operations, bytes };
    },
  },

  "lookup-random": {
    run: (directory) => {
      const base = join(directory, "huge");
      const random = sequence(2);
      const operations = 10_000;
      for (let i = 0; i < operations; i++) lstatSync(`${base}/name-${Math.floor(random.next().value * 100_000)}`);
      return { operations, bytes: 0 };
    },
  },

  statfs: {
    run: (directory) => {
      for (let i = 0; i < 5000; i++) statfsSync(directory);
      return { operations: 5000, bytes: 0 };
    },
  },

  getxattr: {
    run: (directory) => {
      const path = Buffer.from(join(directory, "attributes"));
      for (let i = 0; i < 5000; i++) lgetxattr(path, "user.note");
      return { operations: 5000, bytes: 0 };
    },
  },

  /** Reads everything there is to read once; the warm runs start from here. */
  touch: { run: (directory) => ({ operations: readFileSync(join(directory, "small")).length, bytes: 0 }) },
};
