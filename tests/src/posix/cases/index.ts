/** Every case of the suite. */
import type { Case } from "../case.js";
import { mkdir, readdir, rmdir } from "./directories.js";
import { setgid, sticky, umask } from "./inheritance.js";
import { link, symlink, unlink } from "./links.js";
import { access, chmod } from "./modes.js";
import { nodes } from "./nodes.js";
import { opening } from "./open.js";
import { capabilities, chown, stripping } from "./owners.js";
import { names, paths } from "./paths.js";
import { renaming } from "./rename.js";

export const CASES: readonly Case[] = [
  ...[paths, names, opening, mkdir, rmdir, readdir, nodes, link, symlink, unlink, renaming],
  ...[chmod, access, chown, stripping, capabilities, setgid, sticky, umask],
].flat();
