import { type AttemptGroup, call } from "../attempt.js";

const READ_WRITE = 3;
const ALL = 7;
const READ_EXECUTE = 5;
const PRIVATE = 0x22;

export const paranoid: AttemptGroup = {
  name: "New code, in the paranoid profile",
  jitless: true,
  attempts: [
    { name: "map executable memory", outcome: "EPERM", run: () => call("mmap", 0, 4096, ALL, PRIVATE, -1, 0) },
    {
      name: "write code, then make it executable",
      outcome: "EPERM",
      run: () => {
        const address = call("mmap", 0, 4096, READ_WRITE, PRIVATE, -1, 0);
        return address < 0 ? address : call("mprotect", address, 4096, READ_EXECUTE);
      },
    },
    {
      name: "map a file as code",
      outcome: "SIGSYS",
      run: ({ image }) => call("mmap", 0, 4096, READ_EXECUTE, 2, image, 0),
    },
    {
      name: "rearrange memory (remap_file_pages)",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: () => call("remap_file_pages", 0, 4096, 0, 0, 0),
    },
  ],
};
