import * as fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Flock, flock } from "@bulkhead/linux";

const INTERVAL = 10;
/** A server that has much to write has this long. */
const DEADLINE = 120_000;

/**
 * Waits until the server of an unmounted file system has written everything and let go of its source: the kernel's umount does
 * not wait for that. False when it takes too long.
 *
 * @param source what was mounted, as mountinfo has it
 */
export async function released(source: string): Promise<boolean> {
  for (let waited = 0; isHeld(source); waited += INTERVAL) {
    if (waited > DEADLINE) return false;
    await sleep(INTERVAL);
  }
  return true;
}

/** Whether the server still has what it opened and locked: see openSource. */
function isHeld(source: string): boolean {
  let fd: number;
  try {
    const { O_RDONLY, O_EXCL, O_NONBLOCK } = fs.constants;
    fd = fs.openSync(source, O_RDONLY | O_NONBLOCK | (fs.statSync(source).isBlockDevice() ? O_EXCL : 0));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EBUSY"; // anything else cannot be waited for
  }
  try {
    return !flock(fd, Flock.SHARED | Flock.NONBLOCK);
  } catch {
    return false;
  } finally {
    fs.closeSync(fd);
  }
}
