import { type AttemptGroup, call } from "../attempt.js";

const READ_WRITE = 3;
const PRIVATE = 0x22;
const SHARED = 0x21;
const CHUNK = 64 * 1024 * 1024;
/** Chunks that are more than a server may have. Nobody writes to them. */
const CHUNKS = 64;
const MANY = 2_000;

function manyTimes(count: number, attempt: () => number): number {
  for (let i = 0; i < count; i++) {
    const result = attempt();
    if (result < 0) return result;
  }
  return 0;
}

export const exhaustion: AttemptGroup = {
  name: "Memory, and exhaustion",
  attempts: [
    {
      name: "allocate memory without end",
      outcome: "ENOMEM",
      run: () => manyTimes(CHUNKS, () => call("mmap", 0, CHUNK, READ_WRITE, PRIVATE, -1, 0)),
    },
    {
      name: "allocate it as nobody's (PROT_NONE) and then make it writable",
      outcome: "ENOMEM",
      run: () =>
        manyTimes(CHUNKS, () => {
          const address = call("mmap", 0, CHUNK, 0, PRIVATE, -1, 0);
          return address < 0 ? address : call("mprotect", address, CHUNK, READ_WRITE);
        }),
    },
    {
      name: "allocate shared memory, which is nobody's",
      outcome: "SIGSYS",
      run: () => call("mmap", 0, CHUNK, READ_WRITE, SHARED, -1, 0),
    },
    {
      name: "allocate secret memory",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: () => call("memfd_secret", 0),
    },
    {
      name: "open descriptors without end (eventfd)",
      outcome: "SIGSYS",
      run: () => manyTimes(MANY, () => call("eventfd2", 0, 0)),
    },
    {
      name: "have its memory compared with that of others (KSM)",
      outcome: "EINVAL",
      without: "reaches the kernel",
      run: () => call("madvise", call("mmap", 0, 4096, READ_WRITE, PRIVATE, -1, 0), 4096, 12),
    },
    { name: "open pipes", outcome: "SIGSYS", run: () => call("pipe2", new Uint8Array(8), 0) },
    {
      name: "fill the disk behind the image",
      outcome: "EFBIG",
      run: ({ image, imageSize }) => {
        const bytes = new Uint8Array(65_536);
        return manyTimes(16, () => call("pwrite64", image, bytes, bytes.length, imageSize + 1));
      },
    },
  ],
};
