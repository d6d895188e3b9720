import { FileSystemError } from "../errors.js";
import type { SuperblockView } from "../format/superblock.js";
import { transact } from "../journal/transactions.js";
import type { Volume } from "../volume.js";
import { rewriteCopies } from "./write-superblock.js";

/**
 * Gives the file system a name of at most 16 bytes, and brings it home at once: who asks for it (blkid(8), udev(7)) reads the device. As in
 * the kernel, the copies of the superblock get it as well.
 *
 * @throws FileSystemError EINVAL for a longer one
 */
export function setLabel(volume: Volume, label: Uint8Array): void {
  const { volumeName } = volume.superblock;
  if (label.length > volumeName.length) throw new FileSystemError("EINVAL", `a label of ${label.length} bytes`);
  transact(volume, 1, (handle) => {
    handle.changes?.refuse();
    handle.modifySuperblock();
    write(volume.superblock, label);
  });
  volume.transactions?.settle();
  rewriteCopies(volume, (copy) => write(copy, label));
}

function write({ volumeName }: SuperblockView, label: Uint8Array): void {
  volumeName.fill(0);
  volumeName.set(label);
}
