import { JOURNAL_MAGIC } from "../format/journal.js";
import type { Volume } from "../volume.js";
import type { JournalLog } from "./log.js";
import type { Recovery } from "./recovery.js";

/** Bytes that are gathered at most before they are written. */
const BUFFER_SIZE = 256 * 1024;

/** Writes the logged blocks to their places. All of it can be done again, as long as the log is there. */
export function replayToDevice(volume: Volume, log: JournalLog, { blocks, places, escaped }: Recovery): void {
  const { blockSize } = log;
  const most = Math.max(1, Math.min(BUFFER_SIZE / blockSize, blocks.length));
  const buffer = new Uint8Array(most * blockSize);
  const view = new DataView(buffer.buffer);
  for (let first = 0; first < blocks.length; ) {
    let count = 0;
    while (count < most && blocks[first + count] === blocks[first]! + count) {
      const at = count * blockSize;
      log.read(places[first + count]!, buffer.subarray(at, at + blockSize));
      if (escaped[first + count] !== 0) view.setUint32(at, JOURNAL_MAGIC);
      count++;
    }
    volume.device.write(blocks[first]! * blockSize, buffer.subarray(0, count * blockSize));
    first += count;
  }
  volume.device.flush();
}
