const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;

/** A mode without what lets a program run as its owner or group: set-group-id of what the group cannot run means something else. */
export function withoutSetId(mode: number): number {
  const set = (mode & S_IXGRP) !== 0 ? S_ISUID | S_ISGID : S_ISUID;
  return mode & ~set;
}
