// Oracle: the kernel's ext4 on a loop mount: setfacl, getfacl, and files made in a directory with a default ACL.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { type ErrnoName, FileSystemError } from "../../src/errors.js";
import { FileType } from "../../src/format/inode.js";
import type { Inode } from "../../src/inode/inode.js";
import { transact } from "../../src/journal/transactions.js";
import type { Volume } from "../../src/volume.js";
import { chmodAcl } from "../../src/xattr/chmod-acl.js";
import { inheritAcl } from "../../src/xattr/inherit-acl.js";
import { removeXattr, setXattr, XATTR_CREATE, XATTR_CREDITS } from "../../src/xattr/set-xattr.js";
import { getXattr } from "../../src/xattr/xattrs.js";
import { ImageDirectory, missingLoopMount, run } from "../images.js";
import { changeImage } from "../writable.js";
import { imageWithFiles, inodeOf } from "./changes.js";

const ACCESS = "system.posix_acl_access";
const DEFAULT = "system.posix_acl_default";
const NOBODY = 0xffff_ffff;

type Entry = [tag: number, permissions: number, id: number];

/** An ACL in the form of system calls. */
function acl(entries: readonly Entry[], version = 2): Uint8Array {
  const user = new Uint8Array(4 + 8 * entries.length);
  const view = new DataView(user.buffer);
  view.setUint32(0, version, true);
  entries.forEach(([tag, permissions, id], n) => {
    view.setUint16(4 + 8 * n, tag, true);
    view.setUint16(6 + 8 * n, permissions, true);
    view.setUint32(8 + 8 * n, id, true);
  });
  return user;
}

const rich: Entry[] = [
  [1, 7, NOBODY],
  [2, 5, 1000],
  [2, 4, 70_000],
  [4, 5, NOBODY],
  [8, 1, 33],
  [16, 6, NOBODY],
  [32, 0, NOBODY],
];
const minimal: Entry[] = [
  [1, 6, NOBODY],
  [4, 2, NOBODY],
  [32, 1, NOBODY],
];

function set(volume: Volume, inode: Inode, name: string, value: Uint8Array, flags = 0): void {
  transact(volume, XATTR_CREDITS, (handle) => setXattr(handle, inode, name, value, flags));
}

function fails(code: ErrnoName, body: () => void): void {
  assert.throws(body, (error) => error instanceof FileSystemError && error.code === code, code);
}

/** What getfacl prints, without the lines that name the file. */
function getfacl(path: string): string {
  return run("getfacl", ["-cnpE", path]).trim();
}

function missingAclTools(): string | undefined {
  for (const tool of ["getfacl", "setfacl"]) {
    try {
      run(tool, ["--version"]);
    } catch {
      return `${tool} is not installed`;
    }
  }
  return undefined;
}

describe("access control lists", { skip: missingLoopMount() ?? missingAclTools() ?? false }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());
  const make = (name: string) => imageWithFiles(images, name, "8M", ["-b", "1024"]);

  it("that the engine stores are what getfacl shows, the mode with them", () => {
    const image = make("set.img");
    changeImage(image, (volume) => {
      const [file, plain, back] = ["f0", "f1", "f2"].map((name) => inodeOf(volume, name)) as [Inode, Inode, Inode];
      set(volume, file, ACCESS, acl(rich), XATTR_CREATE);
      set(volume, file, ACCESS, acl(rich), XATTR_CREATE);
      assert.equal(file.mode & 0o777, 0o760);
      assert.deepEqual(getXattr(volume, file, ACCESS), acl(rich));
      set(volume, plain, ACCESS, acl(minimal));
      assert.equal(plain.mode & 0o777, 0o621);
      assert.equal(getXattr(volume, plain, ACCESS), undefined, "a mode can say it");
      set(volume, back, ACCESS, acl(rich));
      set(volume, back, ACCESS, acl(minimal));
      assert.equal(getXattr(volume, back, ACCESS), undefined);
      set(volume, inodeOf(volume, "d"), DEFAULT, acl(rich));
    });
    images.mounted(image, "ro,noload", (root) => {
      assert.equal(
        getfacl(`${root}/f0`),
        "user::rwx\nuser:1000:r-x\nuser:70000:r--\ngroup::r-x\ngroup:33:--x\nmask::rw-\nother::---",
      );
      assert.equal(fs.statSync(`${root}/f0`).mode & 0o777, 0o760);
      assert.equal(getfacl(`${root}/f1`), "user::rw-\ngroup::-w-\nother::--x");
      assert.equal(getfacl(`${root}/f2`), "user::rw-\ngroup::-w-\nother::--x");
      assert.match(getfacl(`${root}/d`), /^default:group:33:--x$/m);
    });
  });

  it("that the kernel stored can be changed and removed", () => {
    const image = make("change.img");
    images.mounted(image, "rw", (root) => {
      run("setfacl", ["-m", "u:1234:rw,g:55:r", `${root}/f0`]);
      run("setfacl", ["-m", "u:1234:rw,g:55:r", `${root}/f1`]);
      run("setfacl", ["-m", "u:1234:rw,g:55:r", `${root}/f2`]);
    });
    changeImage(image, (volume) => {
      const [a, b] = ["f0", "f1"].map((name) => inodeOf(volume, name)) as [Inode, Inode];
      transact(volume, XATTR_CREDITS, (handle) => {
        handle.modifyInode(a);
        a.mode = FileType.regular | 0o715;
        chmodAcl(handle, a);
      });
      transact(volume, XATTR_CREDITS, (handle) => removeXattr(handle, b, ACCESS));
      transact(volume, XATTR_CREDITS, (handle) => removeXattr(handle, b, ACCESS));
      set(volume, inodeOf(volume, "f2"), ACCESS, acl([]));
    });
    const ours = images.mounted(image, "rw", (root) => {
      assert.match(getfacl(`${root}/f1`), /^user::rw-\ngroup::r?w?-\nother::r?--$/);
      assert.match(getfacl(`${root}/f2`), /^user::rw-\ngroup::r?w?-\nother::r?--$/);
      const found = getfacl(`${root}/f0`);
      run("chmod", ["600", `${root}/f0`]);
      run("chmod", ["715", `${root}/f0`]);
      assert.equal(getfacl(`${root}/f0`), found, "the kernel's chmod gives the same");
      return found;
    });
    assert.match(ours, /^mask::--x$/m);
  });

  it("are refused when they are none", () => {
    const image = make("refuse.img");
    changeImage(image, (volume) => {
      const [file, dir] = [inodeOf(volume, "f0"), inodeOf(volume, "d")];
      fails("EINVAL", () => set(volume, file, ACCESS, acl(rich).subarray(0, 3)));
      fails("EINVAL", () => set(volume, file, ACCESS, acl(rich).subarray(0, 15)));
      fails("EOPNOTSUPP", () => set(volume, file, ACCESS, acl(rich, 3)));
      const wrong: Entry[][] = [
        rich.slice(1),
        rich.slice(0, -1),
        rich.filter(([tag]) => tag !== 16),
        rich.filter(([tag]) => tag !== 4),
        [...rich, [32, 0, NOBODY]],
        [...rich.slice(0, 2), [2, 5, NOBODY], ...rich.slice(3)],
        [[1, 8, NOBODY], ...minimal.slice(1)],
        [[3, 7, NOBODY], ...minimal],
        [...minimal.slice(0, 2), [8, 1, 5], ...minimal.slice(2)],
        [minimal[1]!, minimal[0]!, minimal[2]!],
      ];
      for (const entries of wrong) fails("EINVAL", () => set(volume, file, ACCESS, acl(entries)));
      fails("EACCES", () => set(volume, file, DEFAULT, acl(rich)));
      set(volume, file, DEFAULT, acl([]));
      set(volume, dir, DEFAULT, acl(minimal));
      assert.deepEqual(
        getXattr(volume, dir, DEFAULT),
        acl(minimal),
        "a default ACL is kept even when a mode could say it",
      );
    });
  });

  it("are inherited as the kernel does", () => {
    const image = make("inherit.img");
    const defaults = ["u::rwx,u:1000:rwx,g::r-x,g:7:rw-,m::rwx,o::r--", "u::rw-,g::r-x,o::--x"];
    // The kernel makes files in d; the engine gives what it makes of the same to the files in the root.
    defaults.forEach((text, turn) => {
      const modes = [0o777, 0o666, 0o640, 0o711, 0o402];
      const [kernel, directories] = images.mounted(image, "rw", (root) => {
        run("setfacl", ["-k", `${root}/d`]);
        run("setfacl", ["-d", "--set", text, `${root}/d`]);
        const make = modes.map((mode) => {
          const path = `${root}/d/${turn}-${mode}`;
          fs.closeSync(fs.openSync(path, "w", mode));
          return [getfacl(path), fs.statSync(path).mode & 0o7777] as const;
        });
        const made = modes.map((mode) => {
          const path = `${root}/d/${turn}-${mode}.d`;
          fs.mkdirSync(path, mode);
          return [getfacl(path), fs.statSync(path).mode & 0o7777] as const;
        });
        for (let n = 0; n < modes.length; n++) run("setfacl", ["-b", `${root}/f${n}`]);
        for (let n = 0; n < modes.length; n++) fs.mkdirSync(`${root}/${turn}d${n}`);
        return [make, made];
      });
      changeImage(image, (volume) => {
        const parent = inodeOf(volume, "d");
        modes.forEach((mode, n) => {
          for (const [name, type] of [
            [`f${n}`, FileType.regular],
            [`${turn}d${n}`, FileType.directory],
          ] as const) {
            const inode = inodeOf(volume, name);
            transact(volume, XATTR_CREDITS, (handle) => {
              handle.modifyInode(inode);
              inode.mode = inheritAcl(handle, parent, inode, type | mode, 0o077);
            });
          }
        });
      });
      images.mounted(image, "ro,noload", (root) => {
        modes.forEach((mode, n) => {
          const ask = (path: string) => [getfacl(path), fs.statSync(path).mode & 0o7777];
          assert.deepEqual(ask(`${root}/f${n}`), kernel[n], `${text} for a file of mode 0${mode.toString(8)}`);
          assert.deepEqual(
            ask(`${root}/${turn}d${n}`),
            directories[n],
            `${text} for a directory of 0${mode.toString(8)}`,
          );
        });
      });
    });
  });

  it("are not there without a default one: then the umask counts", () => {
    const image = make("umask.img");
    changeImage(image, (volume) => {
      const [parent, inode] = [inodeOf(volume, "d"), inodeOf(volume, "f0")];
      const inherit = (mode: number, umask: number) =>
        transact(volume, XATTR_CREDITS, (handle) => inheritAcl(handle, parent, inode, mode, umask));
      assert.equal(inherit(FileType.regular | 0o666, 0o027), FileType.regular | 0o640);
      assert.equal(inherit(FileType.symlink | 0o777, 0o027), FileType.symlink | 0o777);
      assert.equal(inherit(FileType.directory | 0o3777, 0o022), FileType.directory | 0o3755);
    });
  });
});
