/** A file system whose data comes by promises. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Attributes, Errno, type FileSystem, FuseAttrOut, ROOT_ID, type Services } from "../../src/index.js";

/** Files: nodeids from 2 on. */
export const FILES = ["late", "soon", "read", "refused", "broken"];

const SIZE = 4096;

function describe(nodeid: number, attr: Pick<Attributes, "mode" | "nlink" | "size">): void {
  attr.mode = nodeid === ROOT_ID ? 0o040755 : 0o100444;
  attr.nlink = 1;
  attr.size = nodeid === ROOT_ID ? 0 : SIZE;
}

async function contentOf(name: string | undefined): Promise<Uint8Array> {
  switch (name) {
    case "late":
      await sleep(200);
      return Buffer.from("late");
    case "read":
      return readFile("/proc/sys/kernel/ostype");
    case "refused":
      await readFile("/nowhere/at/all");
      throw new Error("it is there");
    case "broken":
      await sleep(1);
      throw new Error("broken as told");
    default:
      await sleep(10);
      return Buffer.from("soon");
  }
}

/** @param ticks how often the event loop ran a timer of its own */
export default function later(ticks: SharedArrayBuffer, { later }: Services): FileSystem {
  const timer = setInterval(() => Atomics.add(new Int32Array(ticks), 0, 1), 5);
  return {
    eventLoop: true,
    handlers: {
      LOOKUP(_context, name, entry) {
        const index = FILES.indexOf(Buffer.from(name).toString());
        if (index < 0) return -Errno.ENOENT;
        entry.nodeid = index + 2;
        describe(entry.nodeid, entry.attr);
        return 0;
      },
      GETATTR(context) {
        const bytes = new Uint8Array(FuseAttrOut.size);
        describe(context.nodeid, FuseAttrOut.view(new DataView(bytes.buffer)).attr);
        return later(context, Promise.resolve(bytes));
      },
      READ(context, { offset }) {
        return later(context, offset > 0 ? Promise.resolve(0) : contentOf(FILES[context.nodeid - 2]));
      },
    },
    close: () => clearInterval(timer),
  };
}
