/** Every case of the suite. */
import type { Case } from "../case.js";
import { acls } from "./acls.js";
import { casefold } from "./casefold.js";
import { mkdir, readdir, rmdir } from "./directories.js";
import { extended, immutable, inodeFlags, versions } from "./flags.js";
import { full } from "./full.js";
import { setgid, sticky, umask } from "./inheritance.js";
import { link, symlink, unlink } from "./links.js";
import { flocks, recordLocks } from "./locks.js";
import { access, chmod } from "./modes.js";
import { nodes } from "./nodes.js";
import { opening } from "./open.js";
import { capabilities, chown, stripping } from "./owners.js";
import { names, paths } from "./paths.js";
import { quota } from "./quota.js";
import { copying, fallocating, seeking } from "./ranges.js";
import { readOnly } from "./read-only.js";
import { renaming } from "./rename.js";
import { sizes, truncating } from "./size.js";
import { stamping } from "./stamps.js";
import { utimensat } from "./times.js";
import { tmpfile } from "./tmpfile.js";
import { busy, label, linkLimits, statistics } from "./whole.js";
import { appending, direct, mapping, reading, synchronous, syncing, writing } from "./writing.js";
import { namespaces, xattrs } from "./xattrs.js";

export const CASES: readonly Case[] = [
  ...[paths, names, opening, mkdir, rmdir, readdir, nodes, link, symlink, unlink, renaming],
  ...[chmod, access, chown, stripping, capabilities, setgid, sticky, umask],
  ...[utimensat, stamping, truncating, sizes],
  ...[writing, appending, direct, synchronous, reading, mapping, syncing],
  ...[fallocating, seeking, copying, xattrs, namespaces, acls],
  ...[
    tmpfile,
    quota,
    casefold,
    inodeFlags,
    versions,
    extended,
    immutable,
    flocks,
    recordLocks,
    busy,
    label,
    linkLimits,
    statistics,
  ],
  ...[full, readOnly],
].flat();
