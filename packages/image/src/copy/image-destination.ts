import { stringToName } from "@bulkhead/ext4/names";
import { FuseAnswerError } from "@bulkhead/fuse/client";
import type { Image } from "../image.js";
import type { ImageNode } from "../node.js";
import type { Changes, Creation, ImageTree } from "../tree.js";
import {
  ACCESS_ACL,
  type AttributeOptions,
  attributeSpace,
  DEFAULT_ACL,
  type DestinationDirectory,
  type DestinationPlace,
  type Draft,
  isRefusal,
  leadsElsewhere,
  modeOfCopy,
  pathInside,
  type SourceNode,
} from "./ends.js";
import { isOfImage, keyOf, pathOf } from "./image-source.js";
import { temporaryName } from "./temporary-name.js";

/** Copies are root's until they get their own attributes, and nobody's umask matters to them. */
const MADE_BY: Creation = { uid: 0, gid: 0, umask: 0 };
const SLASH = 0x2f;
const EIO = 5;

/** Puts attributes on files in an image: all that there are, because whoever may write to it owns what is in it. */
class ImageAttributes {
  readonly #image: Image;
  readonly #options: AttributeOptions;

  constructor(image: Image, options: AttributeOptions) {
    this.#image = image;
    this.#options = options;
  }

  /** @param inherits whether the file was made in a directory with a default ACL */
  set(node: ImageNode, source: SourceNode, inherits: boolean): void {
    const { tree, creation } = this.#image;
    const { preserve } = this.#options;
    const { uid, gid, kind, atime, mtime } = source.stats;
    if (preserve.xattr) {
      const names = source.xattrNames();
      if (inherits) this.#removeInherited(node, names);
      for (const name of names) this.#setXattr(node, name, source.xattr(name));
    }
    const changes: Changes = {
      ...(preserve.ownership ? { uid, gid } : { uid: creation.uid, gid: creation.gid }),
      ...(kind === "symlink" ? {} : { mode: modeOfCopy(source, this.#options, preserve.ownership) }),
      ...(preserve.timestamps ? { atime, mtime } : {}),
    };
    tree.setAttributes(node, changes);
  }

  #removeInherited(node: ImageNode, names: readonly Uint8Array[]): void {
    for (const name of [ACCESS_ACL, DEFAULT_ACL].map((text) => Buffer.from(text))) {
      if (names.some((kept) => name.equals(kept))) continue;
      try {
        this.#image.tree.removeXattr(node, name);
      } catch (error) {
        if (!(error instanceof FuseAnswerError)) throw error; // there was none
      }
    }
  }

  #setXattr(node: ImageNode, name: Uint8Array, value: Uint8Array | undefined): void {
    if (value === undefined) return;
    try {
      this.#image.tree.setXattr(node, name, value);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const space = attributeSpace(Buffer.from(name).toString("latin1"));
      this.#options.warn(`xattr ${space}`, `${space} are not kept: the image does not take them`);
    }
  }
}

class ImageDirectory implements DestinationDirectory {
  readonly image: Image;
  readonly node: ImageNode;
  readonly path: Buffer;
  readonly attributes: ImageAttributes;
  #inherits: boolean | undefined;

  constructor(image: Image, node: ImageNode, path: Buffer, attributes: ImageAttributes) {
    this.image = image;
    this.node = node;
    this.path = path;
    this.attributes = attributes;
  }

  get key(): string {
    return keyOf(this.image, this.node);
  }

  /** Whether what is made here gets ACLs from here. */
  get inherits(): boolean {
    this.#inherits ??= this.image.tree.getXattr(this.node, Buffer.from(DEFAULT_ACL)) !== undefined;
    return this.#inherits;
  }

  place(name: Uint8Array): ImagePlace {
    if (leadsElsewhere(name)) throw new Error("a name that cannot be one of a file");
    return new ImagePlace(this, name, pathInside(this.path, name));
  }
}

/** A name in a directory of an image that a copy gets. */
class ImagePlace implements DestinationPlace {
  readonly path: Buffer;
  readonly #dir: ImageDirectory;
  readonly #name: Uint8Array;
  /** What a complete copy is. */
  #node: ImageNode | undefined;

  constructor(dir: ImageDirectory, name: Uint8Array, path: Buffer) {
    this.#dir = dir;
    this.#name = name;
    this.path = path;
  }

  get #tree(): ImageTree {
    return this.#dir.image.tree;
  }

  exists(): boolean {
    return this.#tree.lookup(this.#dir.node, this.#name) !== undefined;
  }

  isNameOf({ key }: SourceNode): boolean {
    const { image } = this.#dir;
    if (!isOfImage(key, image)) return false;
    const node = this.#tree.lookup(this.#dir.node, this.#name);
    return node !== undefined && keyOf(image, node) === key;
  }

  makeDirectory() {
    const { node: parent, image, attributes } = this.#dir;
    let isNew = true;
    try {
      this.#node = this.#tree.makeDirectory(parent, this.#name, 0o700, MADE_BY);
    } catch (error) {
      if (!(error instanceof FuseAnswerError) || error.code !== "EEXIST") throw error;
      isNew = false;
      this.#node = this.#tree.lookup(parent, this.#name);
    }
    if (this.#node?.stats.kind === "symlink")
      throw new Error("a symbolic link is in the place of the directory, and is not followed");
    if (this.#node?.isDirectory !== true) throw new Error("something that is no directory is in its place");
    return { isNew, directory: new ImageDirectory(image, this.#node, this.path, attributes) };
  }

  draft(source: SourceNode): Draft {
    const { kind, mode, device } = source.stats;
    const { node: dir } = this.#dir;
    if (kind === "unknown") throw new Error("a file of an unknown type");
    // A file has no name until it is complete: whatever happens, no half of one stays.
    if (kind === "file") return this.#draftOf(this.#tree.makeTemporary(dir, 0o600, MADE_BY), undefined);
    const temporary = temporaryName();
    const node =
      kind === "symlink"
        ? this.#tree.symlink(dir, temporary, source.readLink(), MADE_BY)
        : this.#tree.makeNode(dir, temporary, (mode & 0o170000) | 0o600, device, MADE_BY);
    return this.#draftOf(node, temporary);
  }

  draftLink(earlier: DestinationPlace): Draft | undefined {
    const node = earlier instanceof ImagePlace && earlier.#dir.image === this.#dir.image ? earlier.#node : undefined;
    if (node === undefined) return undefined;
    const temporary = temporaryName();
    try {
      this.#tree.link(node, this.#dir.node, temporary);
    } catch (error) {
      // Moved away meanwhile, or no more links: a copy of its own, then.
      if (error instanceof FuseAnswerError && (error.code === "ENOENT" || error.code === "EMLINK")) return undefined;
      throw error;
    }
    return this.#draftOf(node, temporary);
  }

  #draftOf(node: ImageNode, temporary: Uint8Array | undefined): Draft {
    const tree = this.#tree;
    const { node: dir, attributes } = this.#dir;
    const name = this.#name;
    let named = temporary;
    return {
      write(position, end, buffer, give) {
        let failure: unknown;
        const written = tree.data.writeStream(node, position, end - position, buffer, (target, at) => {
          try {
            return give(target, at);
          } catch (error) {
            failure = error;
            return -EIO;
          }
        });
        if (failure !== undefined) throw failure;
        if (written < 0) throw new FuseAnswerError("WRITE", written);
        return written;
      },
      resize(size) {
        if (node.size !== size) tree.setAttributes(node, { size });
      },
      setAttributes: (source) => attributes.set(node, source, this.#dir.inherits),
      commit: () => {
        if (named === undefined) {
          try {
            tree.link(node, dir, name);
          } catch (error) {
            if (!(error instanceof FuseAnswerError) || error.code !== "EEXIST") throw error;
            named = temporaryName();
            tree.link(node, dir, named);
          }
        }
        if (named !== undefined) replace(tree, dir, named, name);
        this.#node = node;
      },
      discard() {
        try {
          if (named !== undefined && tree.lookup(dir, named) !== undefined) tree.unlink(dir, named);
          if (temporary === undefined) tree.forget(node);
        } catch {
          // The server is gone, and everything with it that has no name.
        }
      },
    };
  }

  setAttributes(source: SourceNode): void {
    if (this.#node !== undefined) this.#dir.attributes.set(this.#node, source, this.#dir.inherits);
  }
}

/** The root directory of an image as a place: it is there, and has no name. */
class RootPlace implements DestinationPlace {
  readonly #directory: ImageDirectory;

  constructor(directory: ImageDirectory) {
    this.#directory = directory;
  }

  get path(): Buffer {
    return this.#directory.path;
  }

  exists(): boolean {
    return true;
  }

  isNameOf({ key }: SourceNode): boolean {
    return key === this.#directory.key;
  }

  makeDirectory() {
    return { isNew: false, directory: this.#directory };
  }

  draft(): Draft {
    throw new FuseAnswerError("MKNOD", 21);
  }

  draftLink(): Draft | undefined {
    return undefined;
  }

  setAttributes(source: SourceNode): void {
    this.#directory.attributes.set(this.#directory.node, source, false);
  }
}

/**
 * Where a path in an image leads, as a place for a copy; its directory must be there.
 *
 * @throws ImageError
 */
export function imagePlace(image: Image, path: string | Uint8Array, options: AttributeOptions): DestinationPlace {
  const attributes = new ImageAttributes(image, options);
  const bytes = Buffer.from(typeof path === "string" ? stringToName(path) : path);
  const directory = (node: ImageNode, path: Uint8Array) =>
    new ImageDirectory(image, node, pathOf(image, path), attributes);
  if (bytes.every((byte) => byte === SLASH)) return new RootPlace(directory(image.tree.root, Buffer.from("/")));
  const { dir, name } = image.place(path);
  const parent = bytes.subarray(0, Math.max(1, bytes.lastIndexOf(SLASH)));
  return new ImagePlace(directory(dir, parent), name, pathOf(image, bytes));
}

/** The directory that a path in an image leads to, as one that copies go into. @throws ImageError */
export function imageDirectory(
  image: Image,
  path: string | Uint8Array,
  options: AttributeOptions,
): DestinationDirectory {
  const bytes = Buffer.from(typeof path === "string" ? stringToName(path) : path);
  return new ImageDirectory(image, image.find(path), pathOf(image, bytes), new ImageAttributes(image, options));
}

/** Moves a finished copy over what has its name. */
function replace(tree: ImageTree, dir: ImageNode, temporary: Uint8Array, name: Uint8Array): void {
  tree.rename(dir, temporary, dir, name);
  // If both are links to one file already, rename leaves both.
  if (tree.lookup(dir, temporary) !== undefined) tree.unlink(dir, temporary);
}
