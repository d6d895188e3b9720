import { FileSystemError } from "../errors.js";
import { transact } from "../journal/transactions.js";
import type { Volume } from "../volume.js";

/**
 * Gives the file system a name of at most 16 bytes, and brings it home at once: who asks for it (blkid(8), udev(7)) reads the device.
 *
 * @throws FileSystemError EINVAL for a longer one
 */
export function setLabel(volume: Volume, label: Uint8Array): void {
  const { volumeName } = volume.superblock;
  if (label.length > volumeName.length) throw new FileSystemError("EINVAL", `a label of ${label.length} bytes`);
  transact(volume, 1, (handle) => {
    handle.changes?.refuse();
    handle.modifySuperblock();
    volumeName.fill(0);
    volumeName.set(label);
  });
  volume.transactions?.settle();
}
