import type { Volume } from "../volume.js";

/** Bytes of zeros that go to the device at a time. */
const ZEROS = 1024 * 1024;

/** Writes zeros to blocks on the device, which are no metadata. */
export function writeZeros({ device, geometry }: Volume, block: number, count: number): void {
  const end = (block + count) * geometry.blockSize;
  const zeros = new Uint8Array(Math.min(ZEROS, count * geometry.blockSize));
  for (let at = block * geometry.blockSize; at < end; at += zeros.length) {
    device.write(at, end - at < zeros.length ? zeros.subarray(0, end - at) : zeros);
  }
}
