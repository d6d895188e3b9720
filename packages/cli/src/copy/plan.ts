/** What goes where: cp's and mv's rules. */
import { lstatSync, realpathSync, type Stats, statSync } from "node:fs";
import { nameToString, stringToName } from "@bulkhead/ext4/names";
import type { Image } from "@bulkhead/image";
import {
  type AttributeOptions,
  type DestinationPlace,
  HostPlace,
  HostSource,
  hasDefaultAcl,
  ImageSource,
  imageDirectory,
  imagePlace,
  leadsElsewhere,
  pathInside,
  type SourceNode,
} from "@bulkhead/image/copy";
import { hostPath } from "@bulkhead/server/descriptor";
import { CommandError, exitCodeOf, messageOf, UsageError } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import type { Problems } from "../command-line/problems.js";
import { reasonOf } from "../command-line/reason.js";
import { printable } from "../output/printable.js";
import { type ImagePath, looksLikeImage, parseImagePath } from "../source/image-path.js";
import type { Session } from "../source/session.js";

/** A source and where it goes. */
export interface Errand {
  readonly source: SourceNode;
  /** Its last name. */
  readonly name: Uint8Array;
  readonly place: DestinationPlace;
  /** Whether `place` is the user's DEST itself, which keeps its attributes if it is there. */
  readonly isDestination: boolean;
}

/** One end of a copy as the user names it: `IMAGE:/PATH`, or a path on the host. */
export type Named = (ImagePath & { readonly kind: "image" }) | { readonly kind: "host"; readonly path: string };

/**
 * Whether a name is of something in an image: what is before one of its colons is an image. A file on the host of that very name
 * is that file, and `./a:b` never anything else. An image alone is a file on the host as well, so that it is never taken for
 * a destination by mistake.
 *
 * @throws UsageError for `IMAGE:/PATH` where there is no such image
 */
export function parseNamed(text: string): Named {
  if (!text.includes(":") || there(text) !== undefined) return { kind: "host", path: text };
  for (let colon = text.indexOf(":", 1); colon > 0; colon = text.indexOf(":", colon + 1)) {
    if (there(text.slice(0, colon))?.isDirectory() === false) return { kind: "image", ...parseImagePath(text) };
  }
  const isMeant = text.indexOf(":/") > 0 && there(text.slice(0, text.indexOf(":/") + 1)) === undefined;
  return isMeant ? { kind: "image", ...parseImagePath(text) } : { kind: "host", path: text };
}

function there(path: string) {
  try {
    return statSync(hostPath(path), { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Where copies go. */
interface Target {
  readonly isDirectory: boolean;
  /** DEST itself. */
  top(): DestinationPlace;
  /** What is called `name` in DEST, which is a directory. */
  inside(name: Uint8Array): DestinationPlace;
}

/** Two sources that would be one file in the destination. */
export class SameNameError extends CommandError {
  constructor(text: string, first: string) {
    super(`${text} would replace ${first}, which has the same name and goes there, too`);
  }
}

export interface PlanOptions {
  readonly recursive: boolean;
  readonly attributes: AttributeOptions;
}

/**
 * Finds the sources, and decides by cp's rules where each goes. Sources that are not there are problems.
 *
 * @throws UsageError, CommandError when nothing can be copied at all
 */
export async function plan(
  names: readonly string[],
  destination: string,
  session: Session,
  problems: Problems,
  { recursive, attributes }: PlanOptions,
): Promise<Errand[]> {
  const to = parseNamed(destination);
  // A source that is an image alone means its root directory, as everywhere, when the copy goes out of it.
  const from = names.map(
    (name): Named => (to.kind === "host" ? { kind: "image", ...parseImagePath(name) } : parseNamed(name)),
  );
  const target = to.kind === "host" ? hostTarget(to.path, attributes) : await imageTarget(to, session, attributes);
  const mustBeDirectory = destination.endsWith("/");
  if (names.length > 1 && !target.isDirectory) {
    throw new CommandError(`${destination} is no directory, and there are ${names.length} sources`);
  }
  const errands: Errand[] = [];
  /** Those that go into the directory, by their names there. */
  const taken = new Map<string, { readonly text: string; readonly isDirectory: boolean }>();
  for (const [index, named] of from.entries()) {
    const text = names[index]!;
    try {
      const source = await open(named, text, session, !recursive);
      if (source.stats.kind === "directory" && !recursive) {
        throw new CommandError(`${text} is a directory; copy it with -r`);
      }
      if (source.stats.kind !== "directory" && mustBeDirectory && !target.isDirectory) {
        throw new CommandError(`there is no directory ${destination}`);
      }
      const name = lastName(named.path);
      const goesInside = target.isDirectory && name !== undefined;
      if (goesInside) {
        const isDirectory = source.stats.kind === "directory";
        const first = taken.get(nameToString(name));
        const isOther = first !== undefined && first.text !== text && !(first.isDirectory && isDirectory);
        if (isOther) throw new SameNameError(text, first.text);
        taken.set(nameToString(name), { text, isDirectory });
      }
      const place = goesInside ? target.inside(name) : target.top();
      errands.push({ source, name: name ?? place.path, place, isDestination: !goesInside });
    } catch (error) {
      problems.add(printable(text), error);
    }
  }
  return errands;
}

async function open(named: Named, text: string, session: Session, followLinks: boolean): Promise<SourceNode> {
  if (named.kind === "image") {
    try {
      const { disk, node } = await session.find(text, followLinks);
      return new ImageSource(disk, node, stringToName(named.path));
    } catch (error) {
      if (named.image !== text || exitCodeOf(error) !== ExitCode.corrupt || looksLikeImage(text)) throw error;
      throw new UsageError(`${messageOf(error)}; SOURCE or DEST is in an image: name it IMAGE:/PATH, as disk.img:/etc`);
    }
  }
  const path = hostPath(named.path.replace(/(?<=.)\/+$/, ""));
  return new HostSource(followLinks ? followed(path, text) : path);
}

/** @throws CommandError for what is there and has no place of its own: /dev/stdin that is a pipe, or the shell's <(…) */
function followed(path: Buffer, text: string): Buffer {
  try {
    return realpathSync.native(path, { encoding: "buffer" });
  } catch (error) {
    if (there(text) === undefined) throw error;
    throw new CommandError(`${text} is a pipe or socket without a name; write to a file first, and copy that`);
  }
}

function hostTarget(destination: string, attributes: AttributeOptions): Target {
  const named = hostPath(destination.replace(/(?<=.)\/+$/, ""));
  const found = there(destination);
  const isDirectory = found?.isDirectory() === true;
  if (found !== undefined && !isDirectory) checkReplaceable(destination, found);
  // The user may mean a link by DEST; those that an image brings are not followed.
  const path =
    isDirectory && lstatSync(named).isSymbolicLink() ? realpathSync.native(named, { encoding: "buffer" }) : named;
  const parent = isDirectory ? path : parentOf(path);
  const options = { ...attributes, inheritsAcl: hasDefaultAcl(parent) };
  const top = () => new HostPlace(path, options);
  return {
    isDirectory,
    top,
    inside(name) {
      if (leadsElsewhere(name)) throw new Error("a name that cannot be one of a file");
      return new HostPlace(pathInside(path, name), options);
    },
  };
}

/** The copy takes the place of what is there: /dev/sdb1 would be no device any more. @throws CommandError */
function checkReplaceable(destination: string, found: Stats): void {
  if (found.isFile() && !looksLikeImage(destination)) return;
  const what = found.isFile() ? "an image" : found.isBlockDevice() ? "a device" : "no regular file";
  const instead = what === "no regular file" ? "bulkhead cat writes into it" : `in it, DEST is ${destination}:/PATH`;
  throw new CommandError(`${destination} is ${what}, and would be replaced; ${instead}`);
}

function parentOf(path: Buffer): Buffer {
  const slash = nameToString(path).lastIndexOf("/");
  return slash < 0 ? Buffer.from(".") : path.subarray(0, Math.max(1, path.lastIndexOf(0x2f)));
}

async function imageTarget(to: ImagePath, session: Session, attributes: AttributeOptions): Promise<Target> {
  const disk = await session.open(to.image, true);
  return {
    isDirectory: isDirectoryIn(disk, to),
    top() {
      try {
        return imagePlace(disk, to.path, attributes);
      } catch (error) {
        throw new CommandError(`${to.image} has no directory for ${to.path}: ${reasonOf(error)}`, exitCodeOf(error));
      }
    },
    inside: (name) => imageDirectory(disk, to.path, attributes).place(name),
  };
}

/** @throws CommandError for what cannot be told */
function isDirectoryIn(disk: Image, { image, path }: ImagePath): boolean {
  try {
    return disk.exists(path) && disk.stat(path).kind === "directory";
  } catch (error) {
    throw new CommandError(`${image}:${path}: ${reasonOf(error)}`, exitCodeOf(error));
  }
}

/** The last component, undefined when the path stands for the contents of a directory: `/`, `/dir/.`, `/dir/..` */
export function lastName(path: string): Uint8Array | undefined {
  const name = path.split("/").findLast((part) => part !== "");
  return name === undefined || name === "." || name === ".." ? undefined : stringToName(name);
}

/** @throws UsageError unless a name is of something in an image */
export function imageOnly(text: string): ImagePath {
  const named = parseNamed(text);
  if (named.kind === "host")
    throw new UsageError(`${text}: name a file in an image as IMAGE:/PATH, as in disk.img:/etc`);
  return named;
}
