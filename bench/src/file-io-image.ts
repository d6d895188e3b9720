/**
 * The host without a mount, as a client of its own process: node file-io-image.js DEVICE CASE FILE [--profile]
 * Prints how long it took, and with --profile where the time went; opening the image, which starts a server, is not part of it.
 */
import { alignedBuffer, type ImageNode, openImage } from "@bulkhead/image";
import { watchCalls } from "./call-times.js";
import { FILE_IO_CASES, FILE_SIZE, type FileIoCase } from "./file-io-cases.js";
import { sequence } from "./workload.js";

type Submit = (slot: number, position: number, done: (result: number) => void) => number | undefined;

function* positions({ random, requests, blockSize }: FileIoCase): Generator<number> {
  const chance = sequence(11);
  const blocks = FILE_SIZE / blockSize;
  for (let i = 0; i < requests; i++) yield (random ? Math.floor(chance.next().value * blocks) : i) * blockSize;
}

/** Keeps `depth` requests under way until there are no more. */
function pump(depth: number, at: Generator<number>, expected: number, submit: Submit): Promise<void> {
  return new Promise((resolve, reject) => {
    let under = 0;
    const check = (result: number) => {
      if (result !== expected) reject(new Error(`${result} where ${expected} bytes were due`));
    };
    const next = (slot: number): void => {
      for (let place = at.next(); place.done !== true; place = at.next()) {
        const result = submit(slot, place.value, (late) => {
          check(late);
          under--;
          next(slot);
        });
        if (result === undefined) {
          under++;
          return;
        }
        check(result);
      }
      if (under === 0) resolve();
    };
    for (let slot = 0; slot < depth; slot++) next(slot);
  });
}

async function run(
  one: FileIoCase,
  node: ImageNode,
  data: ReturnType<typeof openImage>["tree"]["data"],
): Promise<void> {
  const { depth, blockSize, writes } = one;
  const buffers = Array.from({ length: depth }, (_, i) => alignedBuffer(blockSize).fill(i + 1));
  const at = positions(one);
  if (depth === 1) {
    const [buffer] = buffers;
    for (const position of at) {
      const result = writes ? data.write(node, position, buffer!) : data.read(node, position, buffer!);
      if (result !== blockSize) throw new Error(`${result} where ${blockSize} bytes were due`);
    }
    return;
  }
  await pump(depth, at, blockSize, (slot, position, done) =>
    writes
      ? data.submitWrite(node, position, buffers[slot]!, done)
      : data.submitRead(node, position, buffers[slot]!, done),
  );
}

const [device = "", name = "", file = "", option = ""] = process.argv.slice(2);
const one = FILE_IO_CASES.find((candidate) => candidate.name === name);
if (one === undefined) throw new Error(`there is no case ${name}`);
const image = openImage(device, { writable: one.writes, direct: true });
try {
  const node = image.find(`/${file}`);
  const ended = option === "--profile" ? watchCalls(process.pid) : undefined;
  const start = performance.now();
  await run(one, node, image.tree.data);
  if (one.writes) image.sync();
  const seconds = (performance.now() - start) / 1000;
  console.log(JSON.stringify({ seconds, profile: ended?.() }));
} finally {
  image.close();
}
