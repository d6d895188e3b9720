/** What goes where: cp's and mv's rules. */
import { lstatSync, realpathSync, statSync } from "node:fs";
import { nameToString, stringToName } from "@bulkhead/ext4/names";
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
  type SourceNode,
} from "@bulkhead/image/copy";
import { CommandError, UsageError } from "../command-line/errors.js";
import type { Problems } from "../command-line/problems.js";
import { printable } from "../output/printable.js";
import { type ImagePath, parseImagePath } from "../source/image-path.js";
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
    return statSync(path, { throwIfNoEntry: false });
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
  if (names.length > 1 && !target.isDirectory) {
    throw new CommandError(`${destination} is no directory, and there are ${names.length} sources`);
  }
  const errands: Errand[] = [];
  for (const [index, named] of from.entries()) {
    const text = names[index]!;
    try {
      const source = await open(named, text, session, !recursive);
      if (source.stats.kind === "directory" && !recursive) {
        throw new CommandError(`${text} is a directory; copy it with -r`);
      }
      const name = lastName(named.path);
      const goesInside = target.isDirectory && name !== undefined;
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
    const { disk, node } = await session.find(text, followLinks);
    return new ImageSource(disk, node);
  }
  const path = followLinks ? realpathSync(named.path) : named.path.replace(/(?<=.)\/+$/, "");
  return new HostSource(Buffer.from(stringToName(path)));
}

function hostTarget(destination: string, attributes: AttributeOptions): Target {
  const isDirectory = statSync(destination, { throwIfNoEntry: false })?.isDirectory() === true;
  // The user may mean a link by DEST; those that an image brings are not followed.
  const named =
    isDirectory && lstatSync(destination.replace(/\/+$/, "") || "/").isSymbolicLink()
      ? realpathSync(destination)
      : destination;
  const path = Buffer.from(stringToName(named.replace(/(?<=.)\/+$/, "")));
  const parent = isDirectory ? path : parentOf(path);
  const options = { ...attributes, inheritsAcl: hasDefaultAcl(parent) };
  const top = () => new HostPlace(path, options);
  return {
    isDirectory,
    top,
    inside(name) {
      if (leadsElsewhere(name)) throw new Error("a name that cannot be one of a file");
      return new HostPlace(Buffer.concat([path, Buffer.from("/"), name]), options);
    },
  };
}

function parentOf(path: Buffer): Buffer {
  const slash = nameToString(path).lastIndexOf("/");
  return slash < 0 ? Buffer.from(".") : path.subarray(0, Math.max(1, path.lastIndexOf(0x2f)));
}

async function imageTarget(to: ImagePath, session: Session, attributes: AttributeOptions): Promise<Target> {
  const disk = await session.open(to.image, true);
  const isDirectory = disk.exists(to.path) && disk.stat(to.path).kind === "directory";
  if (!isDirectory && to.path.endsWith("/")) throw new CommandError(`${to.image} has no directory ${to.path}`);
  return {
    isDirectory,
    top: () => imagePlace(disk, to.path, attributes),
    inside: (name) => imageDirectory(disk, to.path, attributes).place(name),
  };
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
