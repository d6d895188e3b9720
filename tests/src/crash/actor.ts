/** Everything that a host can do to a file system, the model in step. */
import { FallocateMode, FileSystemError, FileType, type Inode, InodeFlag, RenameFlag } from "@bulkhead/ext4";
import { bytesOfFile } from "./hosting.js";
import { Stage } from "./stage.js";

const OWNER = { uid: 0, gid: 0, privileged: true } as const;

/** Steps return whether they were done: what the engine refuses changes nothing. */
export class Actor extends Stage {
  create(path: string, mode = 0o644): boolean {
    return this.perform(
      `create ${path}`,
      () => this.fs.create(...this.place(path), { ...OWNER, mode: FileType.regular | mode }),
      () => [this.model.create(path, "file", mode)],
    );
  }
  mkdir(path: string): boolean {
    return this.perform(
      `mkdir ${path}`,
      () => this.fs.mkdir(...this.place(path), { ...OWNER, mode: 0o755 }),
      () => [this.model.create(path, "directory", 0o755)],
    );
  }
  mkfifo(path: string): boolean {
    return this.perform(
      `mkfifo ${path}`,
      () => this.fs.create(...this.place(path), { ...OWNER, mode: FileType.fifo | 0o600 }),
      () => [this.model.create(path, "fifo", 0o600)],
    );
  }
  symlink(target: string, path: string): boolean {
    return this.perform(
      `symlink ${path}`,
      () => this.fs.symlink(...this.place(path), Buffer.from(target), OWNER),
      () => [this.model.create(path, "symlink", 0o777, target)],
    );
  }
  link(from: string, to: string): boolean {
    return this.perform(
      `link ${from} ${to}`,
      () => {
        const inode = this.inode(from);
        if (inode.isDirectory) throw new FileSystemError("EPERM", from);
        this.fs.link(inode, ...this.place(to));
      },
      () => {
        this.model.link(from, to);
        return [this.model.node(to).id];
      },
    );
  }
  /** O_TMPFILE, some data, a name. */
  linkTemporary(directory: string, path: string, length: number): boolean {
    return this.perform(
      `tmpfile ${path}`,
      () => {
        if (this.has(path)) throw new FileSystemError("EEXIST", path);
        const inode = this.fs.tmpfile(this.inode(directory), { ...OWNER, mode: FileType.regular | 0o600 });
        const written = this.#put(inode, 0, bytesOfFile(this.#nextId(path), 0, 0, length));
        if (written !== length) throw new Error(`a temporary file: ${written} bytes of ${length}`);
        this.fs.link(inode, ...this.place(path));
      },
      () => {
        const id = this.model.create(path, "file", 0o600);
        this.model.write(path, 0, bytesOfFile(this.#nextId(path), 0, 0, length));
        this.dataChanged.set(id, this.moments.length);
        return [id];
      },
    );
  }
  /** For data of what has no node in the model yet: a number of its own. */
  #nextId(path: string): number {
    let hash = 7;
    for (let n = 0; n < path.length; n++) hash = (Math.imul(hash, 31) + path.charCodeAt(n)) >>> 0;
    return 1_000_000 + (hash % 1_000_000);
  }
  unlink(path: string): boolean {
    return this.perform(
      `unlink ${path}`,
      () => {
        const { ino } = this.inode(path);
        this.fs.unlink(...this.place(path));
        this.fs.release(ino);
      },
      () => this.#without(path),
    );
  }
  /** Takes the last name of a file that somebody has open: it is there until the end, and no longer after a crash. */
  unlinkOpen(path: string): boolean {
    return this.perform(
      `unlink open ${path}`,
      () => this.fs.unlink(...this.place(path)),
      () => this.#without(path),
    );
  }
  /** O_TMPFILE, of which nothing is to be left. */
  openTemporary(directory: string, length: number): boolean {
    return this.perform(
      "open tmpfile",
      () => {
        const inode = this.fs.tmpfile(this.inode(directory), { ...OWNER, mode: FileType.regular | 0o600 });
        this.#put(inode, 0, bytesOfFile(this.#nextId(directory), 0, 0, length));
      },
      () => [],
    );
  }
  rmdir(path: string): boolean {
    return this.perform(
      `rmdir ${path}`,
      () => {
        const { ino } = this.inode(path);
        this.fs.rmdir(...this.place(path));
        this.fs.release(ino);
      },
      () => this.#without(path),
    );
  }
  #without(path: string): number[] {
    const { id } = this.model.node(path);
    this.model.remove(path);
    return [id];
  }
  rename(from: string, to: string): boolean {
    return this.perform(
      `rename ${from} ${to}`,
      () => {
        const [directory, name] = this.place(to);
        const replaced = this.fs.lookup(directory, name);
        this.fs.rename(...this.place(from), directory, name, 0);
        if (replaced !== 0 && this.fs.inode(replaced).linksCount === 0) this.fs.release(replaced);
      },
      () => {
        this.model.rename(from, to);
        return [this.model.node(to).id];
      },
    );
  }
  exchange(one: string, other: string): boolean {
    return this.perform(
      `exchange ${one} ${other}`,
      () => this.fs.rename(...this.place(one), ...this.place(other), RenameFlag.exchange),
      () => {
        this.model.exchange(one, other);
        return [this.model.node(one).id, this.model.node(other).id];
      },
    );
  }

  /** Writes bytes that tell whose they are and when they were written. */
  write(path: string, pos: number, length: number): boolean {
    const version = ++this.versions;
    let progress = pos;
    return this.perform(
      `write ${path} ${pos}+${length}`,
      () => {
        const inode = this.inode(path);
        const { id } = this.model.node(path);
        const bytes = bytesOfFile(id, version, pos, length);
        this.writing = (at, written) => {
          progress = at + written;
          this.model.write(path, pos, bytes.subarray(0, progress - pos));
          this.dataChanged.set(id, this.moments.length);
          this.changedNow([id]);
        };
        try {
          const written = this.#put(inode, pos, bytes);
          if (written !== length) throw new Error(`${written} bytes of ${length} were written`);
        } finally {
          this.writing = undefined;
        }
        this.fs.setModificationTime(inode);
      },
      () => {
        const { id } = this.model.node(path);
        this.model.write(path, pos, bytesOfFile(id, version, pos, length));
        this.dataChanged.set(id, this.moments.length);
        return [id];
      },
    );
  }
  append(path: string, length: number): boolean {
    return this.has(path) && this.write(path, this.model.node(path).contents.length, length);
  }
  #put(inode: Inode, pos: number, bytes: Uint8Array): number {
    return this.host.write(inode, pos, bytes);
  }

  truncate(path: string, size: number): boolean {
    return this.perform(
      `truncate ${path} ${size}`,
      () => {
        const inode = this.inode(path);
        this.#zeroed(this.host.zeroTail(inode, Math.min(size, inode.size)));
        this.fs.resize(inode, size);
      },
      () => {
        this.model.resize(path, size);
        return this.#dataNow(path);
      },
    );
  }
  #dataNow(path: string): number[] {
    const { id } = this.model.node(path);
    this.dataChanged.set(id, this.moments.length);
    return [id];
  }
  #zeroed(answer: number): void {
    if (answer !== 0) throw new Error(`zeroing: errno ${-answer}`);
  }
  allocate(path: string, offset: number, length: number, keepSize: boolean): boolean {
    return this.#fallocate(`allocate ${path}`, path, keepSize ? FallocateMode.keepSize : 0, offset, length, () => {
      const size = this.model.node(path).contents.length;
      if (!keepSize && offset + length > size) this.model.resize(path, offset + length);
    });
  }
  punch(path: string, offset: number, length: number): boolean {
    const mode = FallocateMode.punchHole | FallocateMode.keepSize;
    return this.#fallocate(`punch ${path}`, path, mode, offset, length, () => this.#clear(path, offset, length));
  }
  zeroRange(path: string, offset: number, length: number): boolean {
    const mode = FallocateMode.zeroRange | FallocateMode.keepSize;
    return this.#fallocate(`zero range ${path}`, path, mode, offset, length, () => this.#clear(path, offset, length));
  }
  #clear(path: string, offset: number, length: number): void {
    const contents = this.model.node(path).contents.slice();
    contents.fill(0, offset, offset + length);
    this.model.change(path, { contents });
  }
  collapse(path: string, offset: number, length: number): boolean {
    return this.#fallocate(`collapse ${path}`, path, FallocateMode.collapseRange, offset, length, () => {
      const { contents: old } = this.model.node(path);
      const contents = new Uint8Array(old.length - length);
      contents.set(old.subarray(0, offset));
      contents.set(old.subarray(offset + length), offset);
      this.model.change(path, { contents, moved: { from: offset + length, by: -length } });
    });
  }
  insert(path: string, offset: number, length: number): boolean {
    return this.#fallocate(`insert ${path}`, path, FallocateMode.insertRange, offset, length, () => {
      const { contents: old } = this.model.node(path);
      const contents = new Uint8Array(old.length + length);
      contents.set(old.subarray(0, offset));
      contents.set(old.subarray(offset), offset + length);
      this.model.change(path, { contents, moved: { from: offset, by: length } });
    });
  }
  #fallocate(step: string, path: string, mode: number, offset: number, length: number, change: () => void): boolean {
    return this.perform(
      `${step} ${offset}+${length}`,
      () => {
        const inode = this.inode(path);
        const { blockSize } = this.fs.geometry;
        const end = offset + length;
        this.fs.checkFallocate(inode, mode, offset, length);
        // Who died while it wrote there may have left bytes behind the end.
        if (mode === 0 && end > inode.size) this.#zeroed(this.host.zeroTail(inode, inode.size, end));
        if ((mode & (FallocateMode.punchHole | FallocateMode.zeroRange)) !== 0) {
          const firstWhole = Math.min(end, Math.ceil(offset / blockSize) * blockSize);
          const lastWhole = Math.max(firstWhole, Math.floor(end / blockSize) * blockSize);
          this.#zeroed(this.host.zero(inode, offset, firstWhole - offset));
          this.#zeroed(this.host.zero(inode, lastWhole, end - lastWhole));
        }
        this.fs.fallocate(inode, mode, offset, length);
      },
      () => {
        change();
        return this.#dataNow(path);
      },
    );
  }

  /** chattr +j or -j: whether data goes through the journal. */
  setJournalled(path: string, journalled: boolean): boolean {
    return this.perform(
      `chattr ${journalled ? "+" : "-"}j ${path}`,
      () => {
        const inode = this.inode(path);
        const { journalData } = InodeFlag;
        this.fs.setFlags(inode, journalled ? inode.flags | journalData : inode.flags & ~journalData);
      },
      () => [this.model.node(path).id],
    );
  }
  chmod(path: string, mode: number): boolean {
    return this.perform(
      `chmod ${path}`,
      () => this.fs.setAttributes(this.inode(path), { mode, privileged: true }),
      () => {
        this.model.change(path, { mode });
        return [this.model.node(path).id];
      },
    );
  }
  /** Has its inode leave the cache, as those that nobody uses do, and changes the time of the one that is read in its place. */
  readAgain(path: string): boolean {
    return this.perform(
      `read ${path} again`,
      () => {
        this.fs.volume.inodes.delete(this.inode(path).ino);
        this.fs.setModificationTime(this.inode(path));
      },
      () => [this.model.node(path).id],
    );
  }
  /** @param same whether the value is that of all others of this length, so that they can share a block */
  setXattr(path: string, name: string, length: number, same = false): boolean {
    const value = Buffer.alloc(length, `${name}${same ? "" : ++this.versions}`);
    return this.perform(
      `setxattr ${path} ${name} ${length}`,
      () => this.fs.setXattr(this.inode(path), name, value),
      () => {
        const { id, xattrs } = this.model.node(path);
        const text = value.toString("latin1");
        // As in Linux: nothing changes, ctime neither, and what was there is as durable as it was.
        if (xattrs.get(name) === text) return [];
        this.model.change(path, { xattrs: new Map(xattrs).set(name, text) });
        return [id];
      },
    );
  }
  removeXattr(path: string, name: string): boolean {
    return this.perform(
      `removexattr ${path} ${name}`,
      () => this.fs.removeXattr(this.inode(path), name),
      () => {
        const { id, xattrs } = this.model.node(path);
        const left = new Map(xattrs);
        left.delete(name);
        this.model.change(path, { xattrs: left });
        return [id];
      },
    );
  }
  /** Tells the device what is free. */
  trim(): void {
    this.perform(
      "trim",
      () => this.fs.trim(0, this.fs.device.size, 0),
      () => [],
    );
  }
}
