import * as fs from "node:fs";
import { isAbsolute } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Flock, flock, O_PATH } from "@bulkhead/linux";
import { hostPath } from "@bulkhead/server/descriptor";

const INTERVAL = 10;
/** A server that has much to write has this long. */
const DEADLINE = 120_000;

/**
 * Waits until the server of an unmounted file system has written everything and let go of its source: the kernel's umount does
 * not wait for that. False when it takes too long.
 *
 * @param source what was mounted, as mountinfo has it: any user can have a FUSE mount say anything there
 */
export async function released(source: string): Promise<boolean> {
  if (!isAbsolute(source)) return true;
  for (let waited = 0; isHeld(source); waited += INTERVAL) {
    if (waited > DEADLINE) return false;
    await sleep(INTERVAL);
  }
  return true;
}

/** Whether the server still has what it opened and locked: see openSource. */
function isHeld(source: string): boolean {
  let fd: number | undefined;
  try {
    fd = openStorage(source);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EBUSY"; // anything else cannot be waited for
  }
  if (fd === undefined) return false;
  try {
    return !flock(fd, Flock.SHARED | Flock.NONBLOCK);
  } catch {
    return false;
  } finally {
    fs.closeSync(fd);
  }
}

/** Undefined for what no file system can be on: to open that may have effects (a watchdog begins to run, a tape rewinds). */
function openStorage(source: string): number | undefined {
  const { O_RDONLY, O_EXCL, O_NONBLOCK } = fs.constants;
  const found = fs.openSync(hostPath(source), O_PATH);
  try {
    const stat = fs.fstatSync(found);
    if (!stat.isFile() && !stat.isBlockDevice()) return undefined;
    // What was looked at is opened, not what the path may be by now.
    return fs.openSync(`/proc/self/fd/${found}`, O_RDONLY | O_NONBLOCK | (stat.isBlockDevice() ? O_EXCL : 0));
  } finally {
    fs.closeSync(found);
  }
}
