import { roCompatFeature } from "../format/features.js";
import { InodeFlag, ReservedInode } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { countValueInodes } from "../xattr/xattrs.js";
import { checkLimits, clearTimes, hasLimits } from "./limits.js";
import { QuotaTree } from "./quota-tree.js";

/** Kinds of owners that space is counted for; the numbers are the kernel's. */
export const QuotaType = { user: 0, group: 1, project: 2 } as const;

const TYPES = [QuotaType.user, QuotaType.group, QuotaType.project] as const;

/** For whom limits are enforced; what they have is counted in any case. */
export interface QuotaEnforcement {
  /** Mount's `usrquota`, `grpquota`, `prjquota`. */
  readonly user?: boolean;
  readonly group?: boolean;
  readonly project?: boolean;
}

/** Owners that an inode is about to get. */
export interface NewOwners {
  readonly uid?: number;
  readonly gid?: number;
  readonly projectId?: number;
}

/** What an owner has and may have. */
export interface QuotaUsage {
  /** Bytes. */
  readonly space: number;
  readonly inodes: number;
  /** Units of 1 KiB; 0 is no limit. */
  readonly spaceSoftLimit: number;
  readonly spaceHardLimit: number;
  readonly inodeSoftLimit: number;
  readonly inodeHardLimit: number;
}

interface Accounts {
  /** By type; undefined where nothing is counted. */
  readonly trees: readonly (QuotaTree | undefined)[];
  enforced: readonly boolean[];
}

const ofVolume = new WeakMap<Volume, Accounts>();

function accountsOf(volume: Volume): Accounts {
  const known = ofVolume.get(volume);
  if (known !== undefined) return known;
  const { superblock } = volume;
  const isOn = (superblock.featureRoCompat & roCompatFeature.quota) !== 0;
  const inodes = [superblock.userQuotaInode, superblock.groupQuotaInode, superblock.projectQuotaInode];
  const accounts: Accounts = {
    trees: TYPES.map((type) => (isOn && inodes[type] !== 0 ? new QuotaTree(volume, type, inodes[type]!) : undefined)),
    enforced: [false, false, false],
  };
  ofVolume.set(volume, accounts);
  return accounts;
}

/**
 * Looks at the quota files before the first change, as a mount for writing does, and says whose limits count.
 *
 * @returns whether anybody's do: what is not counted has no limits
 * @throws CorruptionError quota-file, and what reading the files' inodes throws
 */
export function enableQuota(
  volume: Volume,
  { user = false, group = false, project = false }: QuotaEnforcement,
): boolean {
  const accounts = accountsOf(volume);
  for (const tree of accounts.trees) tree?.verify();
  accounts.enforced = [user, group, project];
  return TYPES.some((type) => accounts.trees[type] !== undefined && accounts.enforced[type]);
}

/** What is counted for an owner; undefined where that is nothing, or nobody counts. @throws CorruptionError quota-file */
export function quotaUsage(volume: Volume, type: number, id: number): QuotaUsage | undefined {
  const entry = accountsOf(volume).trees[type]?.find(id);
  if (entry === undefined) return undefined;
  const { space, inodes, spaceSoftLimit, spaceHardLimit, inodeSoftLimit, inodeHardLimit } = entry;
  return { space, inodes, spaceSoftLimit, spaceHardLimit, inodeSoftLimit, inodeHardLimit };
}

/**
 * As quotaUsage, of the project that a directory hands down; undefined as well where its limits are not enforced.
 *
 * @throws CorruptionError quota-file
 */
export function projectUsage(volume: Volume, inode: Inode): QuotaUsage | undefined {
  if (!inode.has(InodeFlag.projectInherit) || !accountsOf(volume).enforced[QuotaType.project]) return undefined;
  return quotaUsage(volume, QuotaType.project, inode.projectId);
}

/**
 * Counts space that an inode's owners take or give back.
 *
 * @param bytes change, negative when space is freed: whole clusters
 * @throws FileSystemError EDQUOT when limits are enforced; ENOSPC when a quota file has to grow and cannot
 * @throws CorruptionError quota-file
 */
export function chargeBlocks(handle: Handle, inode: Inode, bytes: number): void {
  charge(handle, inode, bytes, 0);
}

/**
 * Counts an inode that its owners take (1) or give back (-1). Value inodes count for those who use them.
 *
 * @throws as chargeBlocks
 */
export function chargeInode(handle: Handle, inode: Inode, count: 1 | -1): void {
  charge(handle, inode, 0, count);
}

/**
 * Moves what an inode takes to other owners: called before its uid, gid or projectId change.
 *
 * @throws as chargeBlocks
 */
export function transferQuota(handle: Handle, inode: Inode, owners: NewOwners): void {
  const { trees, enforced } = accountsOf(handle.volume);
  const ids = [owners.uid, owners.gid, owners.projectId];
  let moved: { bytes: number; inodes: number } | undefined;
  for (const type of TYPES) {
    const tree = trees[type];
    const from = ownerOf(inode, type);
    const to = ids[type];
    if (tree === undefined || to === undefined || to === from || !isCounted(handle.volume, inode)) continue;
    moved ??= { bytes: inode.blocks * 512, inodes: 1 + countValueInodes(handle.volume, inode) };
    add(handle, tree, to, moved.bytes, moved.inodes, enforced[type]!);
    add(handle, tree, from, -moved.bytes, -moved.inodes, false);
  }
}

function charge(handle: Handle, inode: Inode, bytes: number, inodes: number): void {
  const { trees, enforced } = accountsOf(handle.volume);
  for (const type of TYPES) {
    const tree = trees[type];
    if (tree === undefined || !isCounted(handle.volume, inode)) continue;
    add(handle, tree, ownerOf(inode, type), bytes, inodes, enforced[type]!);
  }
}

function ownerOf({ uid, gid, projectId }: Inode, type: number): number {
  return type === QuotaType.user ? uid : type === QuotaType.group ? gid : projectId;
}

/** What belongs to the file system itself is on nobody's account, and value inodes are on their users'. */
function isCounted({ geometry, superblock }: Volume, inode: Inode): boolean {
  const { ino } = inode;
  return (
    (ino === ReservedInode.root || ino >= geometry.firstInode) &&
    !inode.has(InodeFlag.eaInode) &&
    ino !== superblock.projectQuotaInode &&
    ino !== superblock.groupQuotaInode &&
    ino !== superblock.userQuotaInode &&
    ino !== superblock.orphanFileInode
  );
}

function add(handle: Handle, tree: QuotaTree, id: number, bytes: number, inodes: number, enforce: boolean): void {
  if (bytes <= 0 && inodes <= 0 && tree.find(id) === undefined) return;
  const entry = tree.change(handle, id);
  if (enforce && (bytes > 0 || inodes > 0)) {
    const now = handle.volume.environment.clock.now().seconds;
    checkLimits(entry, bytes, inodes, now, tree.grace(), handle.privileged);
  }
  // More is given back than was counted only where the file was wrong before.
  entry.space = Math.max(0, entry.space + bytes);
  entry.inodes = Math.max(0, entry.inodes + inodes);
  clearTimes(entry);
  if (entry.space === 0 && entry.inodes === 0 && !hasLimits(entry)) tree.remove(handle, id);
}
