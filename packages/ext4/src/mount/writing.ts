import { UnsupportedFeatureError } from "../errors.js";
import { SuperblockState } from "../format/superblock.js";
import { NoJournal } from "../journal/no-journal.js";
import { Transactions } from "../journal/transactions.js";
import { writeSuperblock } from "../superblock/write-superblock.js";
import type { Volume } from "../volume.js";

/** Makes a mounted volume writable, and says so in its superblock. */
export function openForWriting(volume: Volume): void {
  const { superblock, environment } = volume;
  if (volume.features.hasJournal) throw new UnsupportedFeatureError(["has_journal"], "no journal is written yet");
  volume.transactions = new Transactions(volume, new NoJournal(volume));
  superblock.state &= ~SuperblockState.valid;
  superblock.mountCount = (superblock.mountCount + 1) & 0xffff;
  superblock.mountTime = environment.clock.now().seconds % 0x1_0000_0000;
  writeSuperblock(volume);
  volume.device.flush();
}

/** The end of it: everything is home, and the superblock says that the file system is clean. */
export function closeForWriting(volume: Volume): void {
  const { transactions, superblock } = volume;
  if (transactions === undefined) return;
  transactions.commit();
  volume.transactions = undefined;
  if ((superblock.state & SuperblockState.error) === 0) superblock.state |= SuperblockState.valid;
  writeSuperblock(volume);
  volume.device.flush();
}
