import { stringToName } from "@bulkhead/ext4/names";
import { FuseAnswerError } from "@bulkhead/fuse/client";
import type { Image } from "../image.js";
import type { ImageNode, Stats } from "../node.js";
import type { Entry } from "../tree.js";
import { type Contents, pathInside, type SourceEntry, type SourceNode } from "./ends.js";

const ENXIO = -6;
const ENOENT = 2;

/** A file in an image. */
export class ImageSource implements SourceNode {
  readonly order = "inode";
  readonly node: ImageNode;
  readonly #image: Image;
  /** Inside the image. */
  readonly #path: Buffer;
  readonly #listsNodes: boolean;

  /** @param listsNodes whether what is in it will be asked for more than names */
  constructor(image: Image, node: ImageNode, path: Uint8Array, listsNodes = true) {
    this.#listsNodes = listsNodes;
    this.#image = image;
    this.node = node;
    this.#path = Buffer.from(path);
  }

  get path(): Buffer {
    return pathOf(this.#image, this.#path);
  }

  get stats(): Stats {
    return this.node.stats;
  }

  get key(): string {
    return keyOf(this.#image, this.node);
  }

  list(into: SourceEntry[]): void {
    const entries: Entry[] = [];
    try {
      this.#image.tree.list(this.node, entries, this.#listsNodes);
    } finally {
      for (const entry of entries) {
        const { name, ino, kind } = entry;
        into.push({ name, ino, kind, node: () => this.#source(entry) });
      }
    }
  }

  #source({ name, node }: Entry): ImageSource {
    const child = node ?? this.#image.tree.lookup(this.node, name);
    if (child === undefined) throw new FuseAnswerError("LOOKUP", ENOENT);
    return new ImageSource(this.#image, child, pathInside(this.#path, name));
  }

  readLink(): Uint8Array {
    return this.#image.tree.readLink(this.node);
  }

  xattrNames(): Uint8Array[] {
    return this.#image.tree.listXattrs(this.node);
  }

  xattr(name: Uint8Array): Uint8Array | undefined {
    return this.#image.tree.getXattr(this.node, name);
  }

  open(): Contents {
    const { data } = this.#image.tree;
    const { node } = this;
    return {
      nextRange(position) {
        if (position >= node.size) return undefined;
        const start = data.seek(node, position, "data");
        if (start === ENXIO) return undefined;
        if (start < 0) throw new FuseAnswerError("LSEEK", start);
        const hole = data.seek(node, start, "hole");
        if (hole < 0) throw new FuseAnswerError("LSEEK", hole);
        // Progress, whatever the server says.
        return { start, end: Math.max(start + 1, Math.min(hole, node.size)) };
      },
      read(position, target) {
        const got = data.read(node, position, target);
        if (got < 0) throw new FuseAnswerError("READ", got);
        return got;
      },
      close() {},
    };
  }
}

/** IMAGE:/PATH */
export function pathOf(image: Image, path: Uint8Array): Buffer {
  return Buffer.concat([stringToName(`${image.path}:`), path]);
}

/** What stands for an inode of an image among all inodes that a copy meets. */
export function keyOf(image: Image, node: ImageNode): string {
  return `${imageKey(image)}${node.id}`;
}

/** Whether such a key is that of an inode of this image. */
export function isOfImage(key: string, image: Image): boolean {
  return key.startsWith(imageKey(image));
}

function imageKey(image: Image): string {
  return `image ${image.serverPid}:`;
}
