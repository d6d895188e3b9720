/** Writes a tar archive of a made-up tree: the same for the same seed, without any tree on a disk. */
import { closeSync, openSync, writeSync } from "node:fs";
import { Random } from "../images/random.js";

const BLOCK = 512;
const FILES_PER_DIRECTORY = 40;
const EPOCH = 1_500_000_000;
const GATHERED = 1 << 20;

/** A tree of `count` files with directories, links and executables among them. */
export function writeTarball(path: string, count: number, seed: number): void {
  const random = new Random(seed);
  const noise = random.bytes(1 << 17);
  const fd = openSync(path, "w");
  let gathered: Buffer[] = [];
  let size = 0;
  const add = (...parts: Buffer[]): void => {
    for (const part of parts) size += part.length;
    gathered.push(...parts);
    if (size < GATHERED) return;
    writeSync(fd, Buffer.concat(gathered));
    gathered = [];
    size = 0;
  };
  let directory = "";
  let previous = "";
  for (let i = 0; i < count; i++) {
    if (i % FILES_PER_DIRECTORY === 0) {
      const number = i / FILES_PER_DIRECTORY;
      if (number % 25 === 0) add(header(`tree/${Math.floor(number / 25)}/`, "5", 0, 0o755, i));
      directory = `tree/${Math.floor(number / 25)}/directory-${number}`;
      add(header(`${directory}/`, "5", 0, 0o755, i));
      previous = "";
    }
    const name = `${directory}/${"file-name-".repeat(random.below(3))}${i}`;
    const kind = random.below(60);
    if (kind === 0 && previous !== "") add(header(name, "1", 0, 0o644, i, previous));
    else if (kind === 1) add(header(name, "2", 0, 0o777, i, `../${"up/".repeat(random.below(25))}target`));
    else {
      const length = random.below(20) === 0 ? random.below(100_000) : random.below(3000);
      add(header(name, "0", length, random.below(10) === 0 ? 0o755 : 0o644, i));
      const start = random.below(noise.length - length);
      add(noise.subarray(start, start + length), Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK));
      previous = name;
    }
  }
  writeSync(fd, Buffer.concat([...gathered, Buffer.alloc(2 * BLOCK)]));
  closeSync(fd);
}

/** A header of the ustar format; owners and times differ from file to file. */
function header(name: string, type: string, size: number, mode: number, number: number, link = ""): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void => {
    block.write(value.toString(8).padStart(width - 1, "0"), at, "latin1");
  };
  block.write(name, 0, "latin1");
  octal(mode, 100, 8);
  octal(1000 + (number % 7), 108, 8);
  octal(1000 + (number % 5), 116, 8);
  octal(size, 124, 12);
  octal(EPOCH + number, 136, 12);
  block.fill(" ", 148, 156);
  block.write(type, 156, "latin1");
  block.write(link, 157, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  let sum = 0;
  for (const byte of block) sum += byte;
  octal(sum, 148, 7);
  block[155] = 0x20;
  return block;
}
