import * as fs from "node:fs";
import { FileDevice } from "../src/device/file.js";
import { NoJournal } from "../src/journal/no-journal.js";
import { Transactions } from "../src/journal/transactions.js";
import { openVolume } from "../src/superblock/open-volume.js";
import { writeSuperblock } from "../src/superblock/write-superblock.js";
import type { Volume } from "../src/volume.js";
import { run } from "./images.js";

/**
 * Runs `change` on an image with a bare volume, for the tests of one room: transactions without a log, no mount. Then e2fsck
 * has to find nothing.
 */
export function changeImage<T>(image: string, change: (volume: Volume & { transactions: Transactions }) => T): T {
  const device = new FileDevice(fs, fs.openSync(image, "r+"), { readOnly: false });
  let result: T;
  try {
    const volume = openVolume(device);
    volume.transactions = new Transactions(volume, new NoJournal(volume));
    result = change(volume as Volume & { transactions: Transactions });
    volume.transactions.commit();
    writeSuperblock(volume);
  } finally {
    device.close();
  }
  checkImage(image);
  return result;
}

/** Throws with e2fsck's findings unless there are none. */
export function checkImage(image: string): void {
  run("e2fsck", ["-fn", image]);
}
