import { type AttemptGroup, call, pointer, words } from "../attempt.js";

const FUSE_DEV_IOC_CLONE = 0x8004_e500;
const TIOCSTI = 0x5412;
const FS_IOC_SETFLAGS = 0x4008_6602;
const BLKDISCARD = 0x1277;
const PROT_READ_EXEC = 5;
const MAP_SHARED = 1;
const byte = () => new Uint8Array(1);

export const device: AttemptGroup = {
  name: "The device, and descriptors that the server has",
  attempts: [
    {
      name: "write behind the image's end",
      outcome: "EFBIG",
      run: ({ image, imageSize }) => call("pwrite64", image, byte(), 1, imageSize),
    },
    {
      name: "make the image longer",
      outcome: "SIGSYS",
      run: ({ image, imageSize }) => call("ftruncate", image, imageSize + 4096),
    },
    { name: "cut the image off", outcome: "SIGSYS", run: ({ image }) => call("ftruncate", image, 0) },
    {
      name: "allocate behind its end",
      outcome: "SIGSYS",
      run: ({ image, imageSize }) => call("fallocate", image, 1, imageSize, 4096),
    },
    {
      name: "allocate behind its end, as zeros",
      outcome: "SIGSYS",
      run: ({ image, imageSize }) => call("fallocate", image, 0x11, imageSize, 4096),
    },
    { name: "change its mode", outcome: "SIGSYS", run: ({ image }) => call("fchmod", image, 0o666) },
    { name: "give it away", outcome: "SIGSYS", run: ({ image }) => call("fchown", image, 1, 1) },
    {
      name: "give it attributes",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ image }) => call("fsetxattr", image, "user.escape", byte(), 1, 0),
    },
    {
      name: "change its times",
      outcome: "SIGSYS",
      run: ({ image }) => call("utimensat", image, 0, 0, 0),
    },
    {
      name: "make it immutable",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ image }) => call("ioctl", image, FS_IOC_SETFLAGS, words(0)),
    },
    {
      name: "discard all of it at once",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ image }) => call("ioctl", image, BLKDISCARD, words(0, 512)),
    },
    {
      name: "map it",
      outcome: "SIGSYS",
      run: ({ image }) => call("mmap", 0, 4096, PROT_READ_EXEC, MAP_SHARED, image, 0),
    },
    {
      name: "lease it",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ image }) => call("fcntl", image, 1024, 1),
    },
    {
      name: "copy from it to a socket without looking (splice)",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ image, socket }) => call("splice", image, 0, socket, 0, 1, 0),
    },
    {
      name: "copy within it (copy_file_range)",
      outcome: "SIGSYS",
      run: ({ image }) => call("copy_file_range", image, words(0), image, words(8192), 512, 0),
    },
    { name: "copy a descriptor", outcome: "SIGSYS", run: ({ image }) => call("dup", image) },
    {
      name: "copy a descriptor over another",
      outcome: "SIGSYS",
      run: ({ image, socket }) => call("dup3", image, socket, 0),
    },
    { name: "copy a descriptor (fcntl)", outcome: "SIGSYS", run: ({ image }) => call("fcntl", image, 0, 0) },
    {
      name: "attach another connection to /dev/fuse (ioctl)",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: ({ socket }) => call("ioctl", socket, FUSE_DEV_IOC_CLONE, words(0)),
    },
    {
      name: "type into a terminal (ioctl)",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: () => call("ioctl", 0, TIOCSTI, byte()),
    },
  ],
};

const START = 65_536;

export const offset: AttemptGroup = {
  name: "The device, where the file system begins behind others (`-o offset=`)",
  start: START,
  attempts: [
    { name: "write before it", outcome: "SIGSYS", run: ({ image }) => call("pwrite64", image, byte(), 1, START - 1) },
    {
      name: "write where the descriptor stands",
      outcome: "SIGSYS",
      run: ({ image }) => call("write", image, byte(), 1),
    },
    {
      name: "write there in pieces",
      outcome: "SIGSYS",
      run: ({ image }) => call("writev", image, words(pointer(byte()), 1), 1),
    },
    {
      name: "write before it with flags (pwritev2)",
      outcome: "SIGSYS",
      run: ({ image }) => call("pwritev2", image, words(pointer(byte()), 1), 1, 0, 0, 0),
    },
    {
      name: "punch a hole before it",
      outcome: "SIGSYS",
      run: ({ image }) => call("fallocate", image, 3, 0, 4096),
    },
  ],
};
