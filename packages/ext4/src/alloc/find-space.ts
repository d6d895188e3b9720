import { isEngineError } from "../errors.js";
import { groupDescriptor } from "../groups/group-table.js";
import type { Volume } from "../volume.js";
import type { Allocator } from "./allocator.js";
import { findClear, findSet } from "./bits.js";
import { blockBitmap } from "./block-bitmap.js";
import type { GroupSpace } from "./group-space.js";

/** Groups that one search looks at: 128 TiB of them. A hostile image may claim thousands of times as many. */
export const MOST_GROUPS = 2 ** 20;
/** Bitmaps that one search reads while it has something that will do. */
const MOST_EXAMINED = 64;
/** Groups near the goal in which a run is looked for that leaves room to grow. */
const NEAR_GROUPS = 16;
/** Damaged groups that one search puts up with. */
const MOST_DAMAGED = 64;
/** Rounds of a search: each asks for less than the one before. */
const ROUNDS = 6;

/** What is looked for, and what was found. One object is used again and again. */
export class SpaceSearch {
  /** Group and cluster to begin at. */
  group = 0;
  cluster = 0;
  /** Clusters: what is wanted, what is wanted behind it to grow into, and what will do. */
  want = 0;
  room = 0;
  minimum = 0;
  /** The file that may use its own window; 0 for none. */
  ino = 0;
  /** The error of a damaged group that was passed over. */
  error: unknown = undefined;

  /** The longest run found so far, 0 clusters if none. */
  foundGroup = 0;
  foundStart = 0;
  foundCount = 0;
  /** Greatest bound on the runs of a group that was passed over because of it. */
  passedOver = 0;
  damaged = 0;
  examined = 0;
  ignoreWindows = false;
}

/**
 * Looks for a run of free clusters: near the goal the first that is long enough to grow, else the first that is long enough, else one of
 * the longest. Fills in `found*`; foundCount is at most `want`, and 0 when there is nothing that will do.
 */
export function findSpace(volume: Volume, allocator: Allocator, search: SpaceSearch): void {
  search.damaged = 0;
  search.foundCount = 0;
  search.ignoreWindows = false;
  if (search.room > 0 && searchGroups(volume, allocator, search, search.want + search.room, NEAR_GROUPS)) {
    search.foundCount = Math.min(search.foundCount, search.want);
    return;
  }
  let wish = search.want;
  for (let round = 1; round <= ROUNDS; round++) {
    search.foundCount = 0;
    if (searchGroups(volume, allocator, search, wish, MOST_GROUPS)) break;
    const { foundCount, minimum, passedOver } = search;
    if (foundCount >= minimum && foundCount >= passedOver) break;
    const nothing = foundCount < minimum && passedOver < minimum;
    if (nothing && search.ignoreWindows) break;
    // Windows may hide what there is: in the end nobody's growth is worth a refusal.
    search.ignoreWindows = nothing || round >= ROUNDS - 2;
    wish = nothing || round === ROUNDS - 1 ? minimum : Math.max(minimum, passedOver);
  }
  if (search.foundCount < search.minimum) search.foundCount = 0;
  else search.foundCount = Math.min(search.foundCount, search.want);
}

/** Looks through groups for a run of `wish` clusters; false if the best that was found is shorter. */
function searchGroups(volume: Volume, allocator: Allocator, search: SpaceSearch, wish: number, most: number): boolean {
  const { groupCount } = volume.geometry;
  search.passedOver = 0;
  search.examined = 0;
  if (searchGroup(volume, allocator, search, search.group, search.cluster, wish)) return true;
  const { lastGroup } = allocator;
  if (lastGroup !== search.group && most === MOST_GROUPS) {
    if (searchGroup(volume, allocator, search, lastGroup, 0, wish)) return true;
  }
  const groups = Math.min(groupCount, most);
  for (let n = 1; n < groups; n++) {
    const group = (search.group + n) % groupCount;
    const bound = allocator.longest[group];
    if (bound !== undefined && bound < wish) {
      if (bound > search.passedOver) search.passedOver = bound;
      continue;
    }
    if (searchGroup(volume, allocator, search, group, 0, wish)) {
      allocator.lastGroup = group;
      return true;
    }
    if (search.damaged > MOST_DAMAGED) return false;
    if (search.examined > MOST_EXAMINED && search.foundCount >= search.minimum) return false;
  }
  return false;
}

function searchGroup(
  volume: Volume,
  allocator: Allocator,
  search: SpaceSearch,
  group: number,
  from: number,
  wish: number,
): boolean {
  if (allocator.badBlockBitmaps.has(group)) return false;
  const space = allocator.space(group);
  try {
    const descriptor = groupDescriptor(volume, group);
    const bound = Math.min(space.longest, descriptor.freeClusters - space.heldCount);
    if (bound < wish) {
      space.longest = bound;
      if (bound > search.passedOver) search.passedOver = bound;
      return false;
    }
    search.examined++;
    const bitmap = blockBitmap(volume, descriptor);
    return scan(space.held ?? bitmap.view, space, from, wish, search);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    search.error ??= error;
    search.damaged++;
    allocator.blockBitmapIsBad(group, error);
    return false;
  }
}

/** Looks for a run of `wish` clusters in a group, from `from` to its end and then before. */
function scan(bits: DataView, space: GroupSpace, from: number, wish: number, search: SpaceSearch): boolean {
  const start = Math.max(from, space.lowest);
  const before = start - space.lowest;
  let longest = scanPart(bits, space, start, space.clusters, wish, search);
  if (longest < 0) return true;
  // What began before `start` and goes on behind it counts from its beginning.
  const rest =
    before > 0 ? scanPart(bits, space, space.lowest, Math.min(start + wish, space.clusters), wish, search) : 0;
  if (rest < 0) return true;
  longest = Math.max(longest, rest);
  if (longest < wish) space.longest = longest;
  return false;
}

/** Looks for a run in [from, end): -1 if one of `wish` clusters was found, else the length of the longest. */
function scanPart(
  bits: DataView,
  space: GroupSpace,
  from: number,
  end: number,
  wish: number,
  search: SpaceSearch,
): number {
  let longest = 0;
  let at = findClear(bits, from, end);
  if (from === space.lowest) space.lowest = at;
  while (at < end) {
    let past = findSet(bits, at, Math.min(at + wish, end));
    if (past - at > longest) longest = past - at;
    if (past - at > search.foundCount) {
      if (space.windows.length > 0 && !search.ignoreWindows) past = offerOutsideWindows(space, at, past, wish, search);
      else offer(space, at, past, search);
      if (search.foundCount >= wish) return -1;
    }
    at = findClear(bits, past, end);
  }
  return longest;
}

/** Keeps a run if it is the longest so far. */
function offer(space: GroupSpace, from: number, end: number, search: SpaceSearch): void {
  if (end - from <= search.foundCount) return;
  search.foundGroup = space.group;
  search.foundStart = from;
  search.foundCount = end - from;
}

/** Offers what of a free run lies outside of the windows of other files. Returns where to go on: behind the run, or a window. */
function offerOutsideWindows(space: GroupSpace, from: number, end: number, wish: number, search: SpaceSearch): number {
  let at = from;
  while (at < end && search.foundCount < wish) {
    let past = end;
    let resume = end;
    for (const window of space.windows) {
      if (window.ino === search.ino || window.end <= at || window.start >= past) continue;
      past = Math.max(at, window.start);
      resume = window.end;
    }
    offer(space, at, past, search);
    at = resume;
  }
  return Math.max(at, end);
}

/** Clusters of [from, end) up to the first window of another file than `ino`. */
export function clearOfWindows(space: GroupSpace, from: number, end: number, ino: number): number {
  let past = end;
  for (const window of space.windows) {
    if (window.ino !== ino && window.start < past && window.end > from) past = Math.max(from, window.start);
  }
  return past - from;
}
