/** Subjects that make one mistake each: what a file system can do wrong, to see that it is noticed. */
import type { Subject, Target } from "./subject.js";

/** What to do instead of a call of the subject's. */
type Mistake = (subject: Subject) => Partial<Subject>;

export const MISTAKES: Readonly<Record<string, Mistake>> = {
  "a write is lost": (subject) => {
    let writes = 0;
    return {
      write: (target, offset, bytes) => (++writes % 50 === 0 ? bytes.length : subject.write(target, offset, bytes)),
    };
  },
  "a byte is wrong": (subject) => ({
    append(target, bytes) {
      const wrong = Buffer.from(bytes);
      wrong[wrong.length - 1]! ^= 1;
      return subject.append(target, wrong);
    },
  }),
  "a truncated file shows its old end when it grows": (subject) => ({
    truncate(target, size) {
      const before = subject.stat(target).size;
      if (size >= before) return subject.truncate(target, size);
      const tail = subject.read(target, size, 100);
      subject.truncate(target, size);
      subject.write(target, size, tail);
      subject.truncate(target, size + tail.length);
    },
  }),
  "a punched range keeps a byte": (subject) => ({
    fallocate(target: Target, mode, offset, length) {
      const kept = subject.read(target, offset, 1);
      subject.fallocate(target, mode, offset, length);
      if ((mode & 2) !== 0 && kept.length > 0) subject.write(target, offset, kept);
    },
  }),
  "unlink forgets the name only": (subject) => {
    let graves = 0;
    return { unlink: (path) => subject.rename(path, `lost+found/${graves++}`, 0) };
  },
  "rename replaces what it must not": (subject) => ({
    rename: (from, to, flags) => subject.rename(from, to, flags & ~1),
  }),
  "an attribute is not removed": (subject) => ({
    removeXattr(path, name) {
      const value = subject.xattrs(path).get(name);
      subject.removeXattr(path, name);
      if (value !== undefined) subject.setXattr(path, name, value.subarray(0, 1), 0);
    },
  }),
  "times are rounded": (subject) => ({
    setTimes: (path, atime, mtime) => subject.setTimes(path, atime, mtime - (mtime % 1000n)),
  }),
  "set-id bits survive chown": (subject) => ({
    chown(path, uid, gid) {
      const { mode, kind } = subject.stat(path);
      subject.chown(path, uid, gid);
      if (kind === "file") subject.chmod(path, mode);
    },
  }),
  "a link is a copy": (subject) => ({
    link(from, to) {
      const { kind, mode, size } = subject.stat(from);
      if (kind !== "file") return subject.link(from, to);
      subject.create(to, mode);
      subject.write(to, 0, subject.read(from, 0, Math.min(size, 1 << 20)));
    },
  }),
  "an errno is another": (subject) => ({
    rmdir(path) {
      try {
        subject.rmdir(path);
      } catch (error) {
        throw Object.assign(new Error("no"), { code: "EIO", cause: error });
      }
    },
  }),
};

/** The subject, with the mistake. */
export function mistaken(subject: Subject, name: string): Subject {
  const mistake = MISTAKES[name];
  if (mistake === undefined) throw new Error(`there is no mistake ${name}`);
  const overrides = mistake(subject);
  return new Proxy(subject, {
    get(target, property) {
      const chosen: unknown = Reflect.get(property in overrides ? overrides : target, property);
      return typeof chosen === "function" ? chosen.bind(property in overrides ? overrides : target) : chosen;
    },
  });
}
