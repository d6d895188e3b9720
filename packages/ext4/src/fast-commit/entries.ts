import { addEntry, directoryCredits, removeEntry } from "../dir/change.js";
import { lookup } from "../dir/directory.js";
import { CorruptionError, UnsupportedFeatureError } from "../errors.js";
import { FileType, InodeFlag } from "../format/inode.js";
import { FastCommitTag } from "../format/journal.js";
import type { Inode } from "../inode/inode.js";
import { touchModified } from "../inode/times.js";
import type { Handle } from "../journal/handle.js";
import { addSubdirectory, entryTypeOf, isDotName, LINK_MAX, removeSubdirectory } from "../namespace/checks.js";
import type { Volume } from "../volume.js";
import type { EntryHistory } from "./history.js";
import { replayStep } from "./inodes.js";
import { usedInode } from "./used-inode.js";

/** Blocks that an entry changes besides the directory's. */
const ENTRY_CREDITS = 8;

/**
 * Adds or removes a name as the kernel's replay does: a name that is there already is not replaced, and only the entry that was
 * meant is removed.
 *
 * @param countsLinks whether the inode's links change: when it was logged before
 */
export function applyEntry(volume: Volume, { record, mode }: EntryHistory, countsLinks: boolean): void {
  const { name, tag } = record;
  const isDirectory = (mode & FileType.mask) === FileType.directory;
  const removes = tag === FastCommitTag.unlink;
  const dir = usedInode(volume, record.parent);
  const inode = usedInode(volume, record.ino);
  if (dir === undefined || inode === undefined) return;
  if (dir.has(InodeFlag.encrypt)) {
    const message = `the journal has fast commits in the encrypted directory ${dir.ino}; let e2fsck -p replay them`;
    throw new UnsupportedFeatureError(["fast_commit"], message);
  }
  if (!dir.isDirectory || isDotName(name) || dir.ino === inode.ino) {
    throw new CorruptionError("journal-block", { inode: dir.ino }, "fast commit: an entry that no directory has");
  }
  const found = lookup(volume, dir, name);
  if (removes ? found !== inode.ino : found !== 0) return;
  const change = (handle: Handle) => {
    handle.modifyInode(inode);
    if (removes) removeEntry(handle, dir, name);
    else addEntry(handle, dir, name, inode.ino, entryTypeOf(mode));
    touchModified(handle, dir);
    if (isDirectory && removes) removeSubdirectory(dir);
    else if (isDirectory) addSubdirectory(volume, dir);
    if (countsLinks) countLinks(inode, removes);
  };
  replayStep(volume, change, ENTRY_CREDITS + directoryCredits(volume));
}

function countLinks(inode: Inode, removes: boolean): void {
  const { linksCount, isDirectory } = inode;
  const most = isDirectory ? 0 : LINK_MAX - 1;
  if (removes ? linksCount === 0 : linksCount > most) {
    throw new CorruptionError("journal-block", { inode: inode.ino }, "fast commit: more or fewer names than can be");
  }
  if (isDirectory) inode.linksCount = removes ? 0 : 2;
  else inode.linksCount = linksCount + (removes ? -1 : 1);
}
