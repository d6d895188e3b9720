import type { BlockDevice } from "../device/device.js";
import { CorruptionError, FileSystemError, UnsupportedFeatureError } from "../errors.js";
import { FileType, I_BLOCK_OFFSET, I_BLOCK_SIZE, InodeFlag } from "../format/inode.js";
import { Inode } from "../inode/inode.js";
import { readInode } from "../inode/inode-table.js";
import type { Volume } from "../volume.js";
import { JournalLog } from "./log.js";
import { JournalDevice, JournalFile } from "./storage.js";
import { uuidText } from "./uuid.js";

/** s_jnl_backup_type: s_jnl_blocks holds i_block and the size of the journal's inode. */
const BACKUP_OF_INODE = 1;
const EXTENT_MAGIC = 0xf30a;

/**
 * Opens the journal through its inode or, when that is damaged, through the copy of it in the superblock; one on a device of its
 * own through `device`.
 *
 * @param fastCommits see JournalLog
 * @throws UnsupportedFeatureError when the journal is on another device, and `device` is not given or not the right one
 */
export function openJournal(volume: Volume, device?: BlockDevice, fastCommits = false): JournalLog {
  const ino = volume.superblock.journalInode;
  if (ino === 0) {
    if (device !== undefined) return new JournalLog(volume, new JournalDevice(volume, device), fastCommits);
    throw new UnsupportedFeatureError(
      ["journal_dev"],
      "the journal is needed, and is on another device " +
        `(UUID ${uuidText(volume.superblock.journalUuid)}): name it with journal_path=, or let e2fsck -j DEVICE replay it; noload ` +
        "reads the file system without it, which may be inconsistent",
    );
  }
  try {
    return new JournalLog(volume, new JournalFile(volume, checked(volume, ino)), fastCommits);
  } catch (error) {
    if (!(error instanceof CorruptionError) || volume.superblock.journalBackupType !== BACKUP_OF_INODE) throw error;
    try {
      return new JournalLog(volume, new JournalFile(volume, backup(volume, ino)), fastCommits);
    } catch {
      throw error; // the inode is what has to be repaired
    }
  }
}

function checked(volume: Volume, ino: number): Inode {
  const wrong = (evidence: string) => new CorruptionError("journal-inode", { inode: ino }, evidence);
  let inode: Inode;
  try {
    inode = readInode(volume, ino);
  } catch (error) {
    if (error instanceof FileSystemError) throw wrong("the inode is not in use");
    throw error;
  }
  if (!inode.isRegular || inode.hasInlineData) throw wrong(`mode 0${inode.mode.toString(8)}`);
  return inode;
}

/** The journal's inode as the superblock remembers it: 15 words of i_block, then the high and the low half of the size. */
function backup(volume: Volume, ino: number): Inode {
  const saved = volume.superblock.journalBlocks;
  const view = new DataView(saved.buffer, saved.byteOffset, saved.length);
  const inode = new Inode(ino, new Uint8Array(volume.geometry.inodeSize));
  inode.raw.set(saved.subarray(0, I_BLOCK_SIZE), I_BLOCK_OFFSET);
  inode.mode = FileType.regular | 0o600;
  inode.linksCount = 1;
  inode.size = view.getUint32(I_BLOCK_SIZE, true) * 2 ** 32 + view.getUint32(I_BLOCK_SIZE + 4, true);
  if (view.getUint16(0, true) === EXTENT_MAGIC) inode.flags = InodeFlag.extents;
  return inode;
}
