import { FileSystemError } from "../errors.js";
import type { QuotaEntryView } from "../format/quota.js";

/** Bytes of the units of limits of space. */
export const LIMIT_UNIT = 1024;

/** Seconds that may be spent above soft limits. */
export interface Grace {
  readonly space: number;
  readonly inodes: number;
}

export function hasLimits(entry: QuotaEntryView): boolean {
  return (
    entry.spaceHardLimit !== 0 || entry.spaceSoftLimit !== 0 || entry.inodeHardLimit !== 0 || entry.inodeSoftLimit !== 0
  );
}

/**
 * Refuses what a hard limit forbids, and what a soft limit forbids since its time is up; above a soft limit for the first time,
 * the time starts (dquot_add_space, dquot_add_inodes).
 *
 * @param bytes more space, and more inodes
 * @param now seconds since 1970
 * @param privileged whether nothing is refused; the time starts all the same
 * @throws FileSystemError EDQUOT
 */
export function checkLimits(
  entry: QuotaEntryView,
  bytes: number,
  inodes: number,
  now: number,
  grace: Grace,
  privileged: boolean,
): void {
  if (bytes > 0) {
    const { spaceHardLimit, spaceSoftLimit, spaceTime } = entry;
    const space = entry.space + bytes;
    const soft = spaceSoftLimit !== 0 && space > spaceSoftLimit * LIMIT_UNIT;
    const hard = spaceHardLimit !== 0 && space > spaceHardLimit * LIMIT_UNIT;
    if (!privileged && (hard || (soft && spaceTime !== 0 && now >= spaceTime))) {
      throw new FileSystemError("EDQUOT", `id ${entry.id} may not have ${space} bytes`);
    }
    if (soft && spaceTime === 0) entry.spaceTime = now + grace.space;
  }
  if (inodes > 0) {
    const { inodeHardLimit, inodeSoftLimit, inodeTime } = entry;
    const count = entry.inodes + inodes;
    const soft = inodeSoftLimit !== 0 && count > inodeSoftLimit;
    const hard = inodeHardLimit !== 0 && count > inodeHardLimit;
    if (!privileged && (hard || (soft && inodeTime !== 0 && now >= inodeTime))) {
      throw new FileSystemError("EDQUOT", `id ${entry.id} may not have ${count} inodes`);
    }
    if (soft && inodeTime === 0) entry.inodeTime = now + grace.inodes;
  }
}

/** Stops the time of what is not above its soft limit; without limits, none runs. */
export function clearTimes(entry: QuotaEntryView): void {
  if (entry.space <= entry.spaceSoftLimit * LIMIT_UNIT || entry.spaceSoftLimit === 0) entry.spaceTime = 0;
  if (entry.inodes <= entry.inodeSoftLimit || entry.inodeSoftLimit === 0) entry.inodeTime = 0;
}
