import { blockBitmapChecksum, isBlockUninit } from "../alloc/block-bitmap.js";
import { inodeBitmapChecksum, isInodeUninit } from "../alloc/inode-bitmap.js";
import type { CachedBlock } from "../cache/block-cache.js";
import { CopyOnWriteDevice } from "../device/copy-on-write.js";
import type { BlockDevice } from "../device/device.js";
import type { Environment } from "../environment.js";
import { isEngineError } from "../errors.js";
import { SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE } from "../format/superblock.js";
import { type GroupDescriptor, groupDescriptor, sealDescriptor, sealDescriptors } from "../groups/group-table.js";
import type { Handle } from "../journal/handle.js";
import { NoJournal } from "../journal/no-journal.js";
import { Transactions } from "../journal/transactions.js";
import { openVolume } from "../superblock/open-volume.js";
import { bytesOf } from "../superblock/read-superblock.js";
import { sealSuperblock } from "../superblock/write-superblock.js";
import type { Volume } from "../volume.js";
import type { KeptBlock, KeptState } from "./kept-state.js";
import { sealOfNumber } from "./seals.js";

/** Blocks that are cached beside those that were kept. */
const CACHED_BLOCKS = 1024;

/**
 * Puts what transactions changed that a process had not finished when it died over what is on the device, as their commit would
 * have: all checksums are right. The changes stay in memory; who mounts makes one transaction of them.
 *
 * @param device with all that is in the log, fast commits excepted: what they say was kept as well
 * @returns the changed device, which can only be read
 * @throws Error when what was kept is damaged, or another file system's; CorruptionError, DeviceError
 */
export function restore(device: BlockDevice, kept: KeptState, environment: Environment): CopyOnWriteDevice {
  const { blockSize, blockCount } = openVolume(device, {}, environment).geometry;
  const blocks = kept.blocks(blockSize, blockCount);
  const most = blocks.length + CACHED_BLOCKS;
  const changed = new CopyOnWriteDevice(device, blockSize, most);
  if (blocks.length > 0) {
    const volume = openVolume(changed, { cacheBytes: 4 * most * blockSize }, environment);
    const transactions = new Transactions(volume, new NoJournal(volume));
    volume.transactions = transactions;
    transactions.run(blocks.length, (handle) => putBack(handle, blocks));
    transactions.close();
  }
  changed.freeze();
  return changed;
}

function putBack(handle: Handle, blocks: readonly KeptBlock[]): void {
  const { cache } = handle.volume;
  const kept = new Set(blocks.map(({ block }) => block));
  const tables: { readonly table: CachedBlock; readonly before: Uint8Array }[] = [];
  for (const { block, data, seal: number, seed } of blocks) {
    const seal = sealOfNumber(number);
    const cached = cache.read(block);
    if (seal === sealDescriptors) tables.push({ table: cached, before: cached.data.slice() });
    handle.modify(cached, seal, seed);
    cached.data.set(data);
    if (seal === sealSuperblock) takeSuperblock(handle, data);
  }
  for (const { table, before } of tables) takeDescriptors(handle, table, before, kept);
}

function takeSuperblock(handle: Handle, data: Uint8Array): void {
  const { superblock, geometry } = handle.volume;
  const start = SUPERBLOCK_OFFSET % geometry.blockSize;
  handle.modifySuperblock();
  bytesOf(superblock).set(data.subarray(start, start + SUPERBLOCK_SIZE));
}

/** Descriptors that were changed, or whose bitmaps were, get what a commit would have given them: all checksums. */
function takeDescriptors(handle: Handle, table: CachedBlock, before: Uint8Array, kept: ReadonlySet<number>): void {
  const { volume } = handle;
  const { descriptorsPerBlock, descriptorSize, groupCount } = volume.geometry;
  const first = table.sealSeed * descriptorsPerBlock;
  for (let n = 0; n < descriptorsPerBlock && first + n < groupCount; n++) {
    const group = first + n;
    const base = n * descriptorSize;
    // One that is as it was is sealed, or damaged.
    if (!sameBytes(before, table.data, base, base + descriptorSize)) sealDescriptor(volume, group, table);
    sumBitmaps(handle, group, kept);
  }
}

function sumBitmaps(handle: Handle, group: number, kept: ReadonlySet<number>): void {
  const { volume } = handle;
  const { cache, features } = volume;
  const descriptor = goodDescriptor(volume, group);
  if (!features.metadataCsum || descriptor === undefined) return;
  if (kept.has(descriptor.blockBitmap) && !isBlockUninit(volume, descriptor)) {
    handle.modifyGroup(group).blockBitmapChecksum = blockBitmapChecksum(volume, cache.read(descriptor.blockBitmap));
  }
  if (kept.has(descriptor.inodeBitmap) && !isInodeUninit(volume, descriptor)) {
    handle.modifyGroup(group).inodeBitmapChecksum = inodeBitmapChecksum(volume, cache.read(descriptor.inodeBitmap));
  }
}

/** A group's descriptor, undefined when it is damaged: then nothing of the group was changed. */
function goodDescriptor(volume: Volume, group: number): GroupDescriptor | undefined {
  try {
    return groupDescriptor(volume, group);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    return undefined;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (a[at] !== b[at]) return false;
  return true;
}
