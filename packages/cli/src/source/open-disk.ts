import { type Image, ImageOpenError, type Owner, openImage } from "@bulkhead/image";
import { SourceError } from "@bulkhead/server/descriptor";
import { parseBytes, parseCount } from "@bulkhead/server/options/quantity";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError, exitCodeOf, messageOf, UsageError } from "../command-line/errors.js";

/** Where in a source the file system is, and how to open it. */
export interface SourceSettings {
  readonly offset?: number | undefined;
  readonly partition?: number | undefined;
  /** Place of the superblock in units of 1 KiB. */
  readonly superblock?: number | undefined;
  readonly noLoad: boolean;
  readonly cacheBytes?: number | undefined;
  /** Whose new files are; default the caller's. */
  readonly owner?: Owner | undefined;
}

/** Reads the options that every command without a mount has. @throws UsageError */
export function sourceSettings(given: GivenArguments): SourceSettings {
  const offset = given.value("offset");
  const partition = given.value("partition");
  const superblock = given.value("sb");
  const cache = given.value("cache-size");
  const owner = given.value("owner");
  if (offset !== undefined && partition !== undefined)
    throw new UsageError("--offset and --partition exclude each other");
  return {
    offset: offset === undefined ? undefined : parseBytes(offset, "--offset"),
    partition: partition === undefined ? undefined : parseCount(partition, "--partition", 1),
    superblock: superblock === undefined ? undefined : parseCount(superblock, "--sb", 1),
    noLoad: given.flag("noload"),
    cacheBytes: cache === undefined ? undefined : parseBytes(cache, "--cache-size"),
    owner: owner === undefined ? undefined : parseOwner(owner),
  };
}

/** Reads `UID:GID`, or `UID` for both. @throws UsageError */
function parseOwner(text: string): Owner {
  const [uid, gid = uid, ...rest] = text.split(":");
  const isNumber = (part: string | undefined) => /^\d+$/.test(part ?? "") && Number(part) < 0xffff_ffff;
  if (rest.length > 0 || !isNumber(uid) || !isNumber(gid))
    throw new UsageError(`--owner takes numbers such as 0:0 or 1000:100, not ${text}`);
  return { uid: Number(uid), gid: Number(gid) };
}

/**
 * Opens the file system in an image or on a device: starts a server for it. Its warnings go to standard error.
 *
 * @throws CommandError with a line that says what to do
 */
export async function openDisk(path: string, settings: SourceSettings, writable: boolean): Promise<Image> {
  const { offset, partition, superblock, noLoad, cacheBytes, owner } = settings;
  if (writable && noLoad)
    throw new UsageError("--noload is for reading: what is written needs a journal that was replayed");
  if (writable && superblock !== undefined)
    throw new UsageError("--sb is for reading: what is written needs the superblock itself; e2fsck -b repairs it");
  try {
    return openImage(path, {
      writable,
      loadJournal: !noLoad,
      ...(offset === undefined ? {} : { offset }),
      ...(partition === undefined ? {} : { partition }),
      ...(superblock === undefined ? {} : { superblock }),
      ...(cacheBytes === undefined ? {} : { cacheBytes }),
      ...(owner === undefined ? {} : { owner }),
    });
  } catch (error) {
    if (error instanceof SourceError) throw new CommandError(error.message);
    if (!(error instanceof ImageOpenError)) throw new CommandError(`${path}: ${messageOf(error)}`, exitCodeOf(error));
    // Through a copy of the superblock, nothing is written.
    const advice = writable
      ? error.message.replace(/try sb=\d+( or sb=\d+)*/, "e2fsck -b repairs it by one")
      : error.message;
    throw new CommandError(withDashes(advice), exitCodeOf(error));
  }
}

/** What an error advises are mount options: here as options of a command. */
export function withDashes(message: string): string {
  return message.replace(/(?<= (?:by|try|or) )(?=(?:partition|sb)=)/g, "--");
}
