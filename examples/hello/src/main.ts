/**
 * Hello: a read-only file system with one directory and one file.
 *
 *     node examples/hello/dist/main.js /mnt/point
 *
 * The module runs twice. In the main thread it mounts, and unmounts on Ctrl-C. In a second thread, which owns the file
 * system, its default export is called to create it; from then on that thread answers the kernel, one request at a time.
 */
import { isMainThread } from "node:worker_threads";
import { type Attributes, DirentType, type FileSystem, type Handlers, mountAndServe, ROOT_ID } from "@bulkhead/fuse";

const ENOENT = -2;
const ENOTDIR = -20;
const EISDIR = -21;
const DIRECTORY = 0o040755;
const FILE = 0o100644;

/** The kernel knows objects by nodeid, a number of our choice; the root's is always 1. */
const HELLO_ID = 2;
const HELLO_NAME = new TextEncoder().encode("hello");

/** Nothing here ever changes, so the kernel may keep what it was told: seconds. */
const FOREVER = 86_400;

export default function hello(greeting: string): FileSystem {
  const content = new TextEncoder().encode(`${greeting}\n`);

  /** The fields of `struct stat`; the reply arrives zeroed, so only what differs from 0 is set. */
  function describe(nodeid: number, attr: Attributes): void {
    const directory = nodeid === ROOT_ID;
    attr.ino = nodeid;
    attr.mode = directory ? DIRECTORY : FILE;
    attr.nlink = directory ? 2 : 1;
    attr.size = directory ? 0 : content.length;
  }

  /**
   * One function per operation: the request's parts come first, the reply's to be filled in last. The result is 0, a
   * negative error number, or a length. What is missing answers "not implemented", and the kernel copes.
   */
  const handlers: Handlers = {
    // A name in a directory was looked up: which object is it?
    LOOKUP(context, name, entry) {
      if (context.nodeid !== ROOT_ID) return ENOTDIR;
      // Entry with nodeid 0: there is no such name, and the kernel need not ask again.
      entry.entry_valid = FOREVER;
      if (Buffer.compare(name, HELLO_NAME) !== 0) return 0;
      entry.nodeid = HELLO_ID;
      entry.attr_valid = FOREVER;
      describe(HELLO_ID, entry.attr);
      return 0;
    },

    // stat(2)
    GETATTR(context, _request, reply) {
      if (context.nodeid > HELLO_ID) return ENOENT;
      reply.attr_valid = FOREVER;
      describe(context.nodeid, reply.attr);
      return 0;
    },

    // getdents(2): as many entries as fit, from the cookie `offset` on; each names the cookie of the next.
    READDIR(context, { offset }, entries) {
      if (context.nodeid !== ROOT_ID) return ENOTDIR;
      const names = [".", "..", "hello"];
      for (const [index, name] of names.entries()) {
        if (index < offset) continue;
        const file = name === "hello";
        const type = file ? DirentType.REG : DirentType.DIR;
        if (!entries.add(new TextEncoder().encode(name), file ? HELLO_ID : ROOT_ID, type, index + 1)) break;
      }
      return 0;
    },

    // read(2): `window` is as long as was asked for; the result is how much of it was filled.
    READ(context, { offset }, window) {
      if (context.nodeid === ROOT_ID) return EISDIR;
      const part = content.subarray(Math.min(offset, content.length)).subarray(0, window.length);
      window.set(part);
      return part.length;
    },
  };
  return { handlers };
}

if (isMainThread) {
  const [mountpoint, greeting = "Hello, world!"] = process.argv.slice(2);
  if (mountpoint === undefined) {
    console.error("usage: hello MOUNTPOINT [GREETING]");
    process.exit(2);
  }
  const served = await mountAndServe({
    mountpoint,
    module: import.meta.url,
    data: greeting,
    mount: { subtype: "hello", readOnly: true },
  }).catch((error: Error) => {
    console.error(`hello: ${error.message}`);
    process.exit(1);
  });
  console.log(`mounted at ${mountpoint}; Ctrl-C unmounts`);
  await served.finished;
}
