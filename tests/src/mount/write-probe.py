"""What system calls do on a mount that can be written: run in its root, once in ours and once in the kernel's.

Prints what was asked for and what came of it, so that two runs can be compared line by line.
"""
import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
O_TMPFILE = 0o20200000
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16


def show(what, call):
    try:
        result = call()
    except OSError as error:
        result = errno.errorcode.get(error.errno, error.errno)
    print(f"{what}: {result}", flush=True)
    return result


def pattern(length, seed=0):
    return bytes(((at * 7 + seed) & 0xFF) for at in range(length))


def digest(path):
    with open(path, "rb") as file:
        data = file.read()
    return f"{len(data)} {hashlib.sha256(data).hexdigest()[:16]}"


def brief(path):
    stat = os.lstat(path)
    return f"{stat.st_mode:o} {stat.st_nlink} {stat.st_uid} {stat.st_gid} {stat.st_size}"


def fallocate(fd, mode, offset, length):
    if LIBC.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def renameat2(old, new, flags):
    if LIBC.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def names():
    os.umask(0o022)
    show("mkdir", lambda: os.mkdir("d", 0o777))
    show("mkdir again", lambda: os.mkdir("d"))
    show("mode", lambda: brief("d"))
    show("creat excl", lambda: os.close(os.open("d/f", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o444)))
    show("creat excl again", lambda: os.open("d/f", os.O_CREAT | os.O_EXCL | os.O_RDWR))
    show("mode f", lambda: brief("d/f"))
    show("creat in a file", lambda: os.open("d/f/g", os.O_CREAT | os.O_RDWR))
    show("long", lambda: os.open("n" * 256, os.O_CREAT | os.O_RDWR))
    show("longest", lambda: os.close(os.open("n" * 255, os.O_CREAT | os.O_RDWR)))
    show("link", lambda: os.link("d/f", "hard"))
    show("nlink", lambda: brief("hard"))
    show("link of a directory", lambda: os.link("d", "dd"))
    show("symlink", lambda: os.symlink("d/f", "soft"))
    show("long symlink", lambda: os.symlink("x" * 3000, "far"))
    show("readlink", lambda: hashlib.sha256(os.readlink("far").encode()).hexdigest()[:8])
    show("mkfifo", lambda: os.mkfifo("p", 0o640))
    show("mknod", lambda: os.mknod("null", 0o020666, os.makedev(1, 3)))
    show("rdev", lambda: os.stat("null").st_rdev)
    show("rmdir full", lambda: os.rmdir("d"))
    show("unlink of a directory", lambda: os.unlink("d"))
    show("rmdir of a file", lambda: os.rmdir("hard"))
    os.mkdir("e")
    show("rename over a full directory", lambda: os.rename("e", "d"))
    show("rename below itself", lambda: os.rename("d", "d/inside"))
    show("rename file over directory", lambda: os.rename("hard", "e"))
    show("rename", lambda: os.rename("d", "e"))
    show("after", lambda: sorted(os.listdir(".")))
    show("noreplace", lambda: renameat2("e", "p", 1))
    show("exchange", lambda: renameat2("e", "p", 2))
    show("exchanged", lambda: [brief("p"), brief("e")])
    show("whiteout", lambda: renameat2("e", "moved", 4))
    show("left behind", lambda: [brief("e"), os.lstat("e").st_rdev])
    os.unlink("e")
    for step in range(1000):
        os.close(os.open(f"p/{step}-{'x' * (step % 50)}", os.O_CREAT | os.O_WRONLY, 0o600))
    show("many", lambda: len(os.listdir("p")))
    for step in range(0, 1000, 2):
        os.unlink(f"p/{step}-{'x' * (step % 50)}")
    show("fewer", lambda: hashlib.sha256("".join(sorted(os.listdir("p"))).encode()).hexdigest()[:16])


def contents():
    def append():
        fd = os.open("log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        for line in range(2000):
            os.write(fd, b"%d\n" % line)
        os.close(fd)

    show("append", append)
    show("log", lambda: digest("log"))
    show("truncating open", lambda: os.close(os.open("log", os.O_WRONLY | os.O_TRUNC)))
    show("empty", lambda: digest("log"))

    def sparse():
        fd = os.open("sparse", os.O_CREAT | os.O_RDWR)
        for step in range(40):
            os.pwrite(fd, pattern(1000 + 137 * step, step), step * 50_021)
        os.ftruncate(fd, 1_500_007)
        os.ftruncate(fd, 3_000_000)
        os.fsync(fd)
        return os.close(fd)

    show("sparse", sparse)
    show("contents", lambda: digest("sparse"))

    def mapped():
        fd = os.open("mapped", os.O_CREAT | os.O_RDWR)
        os.ftruncate(fd, 300_001)
        with mmap.mmap(fd, 300_001) as memory:
            memory[0:10] = pattern(10)
            memory[131_071:140_000] = pattern(8_929, 3)
            memory[-1:] = b"z"
            memory.flush()
            os.pwrite(fd, b"by write", 131_080)
            seen = bytes(memory[131_078:131_090])
        os.close(fd)
        return seen

    show("mapped", mapped)
    show("contents", lambda: digest("mapped"))

    def direct():
        buffer = mmap.mmap(-1, 1 << 20)
        buffer.write(pattern(1 << 20, 9))
        fd = os.open("direct", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
        for at in (0, 1 << 20, 5 << 20):
            os.pwritev(fd, [buffer], at)
        os.pwritev(fd, [memoryview(buffer)[:4096]], 8192)
        os.close(fd)
        fd = os.open("direct", os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
        os.pwritev(fd, [memoryview(buffer)[4096:8192]], 65536)
        os.close(fd)

    show("direct", direct)
    show("contents", lambda: digest("direct"))

    def unnamed():
        fd = os.open(".", O_TMPFILE | os.O_RDWR, 0o600)
        os.write(fd, pattern(10_000))
        before = os.fstat(fd).st_nlink
        os.link(f"/proc/self/fd/{fd}", "named", follow_symlinks=True)
        os.close(fd)
        fd = os.open(".", O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
        os.write(fd, b"lost")
        try:
            os.link(f"/proc/self/fd/{fd}", "never", follow_symlinks=True)
        except OSError as error:
            return before, errno.errorcode[error.errno]
        finally:
            os.close(fd)

    show("tmpfile", unnamed)
    show("contents", lambda: [digest("named"), brief("named")])

    def orphan():
        fd = os.open("orphan", os.O_CREAT | os.O_RDWR)
        os.write(fd, pattern(200_000))
        os.unlink("orphan")
        os.pwrite(fd, b"still", 100_000)
        return os.fstat(fd).st_nlink, os.pread(fd, 5, 100_000)

    show("unlinked and open", orphan)

    def allocated():
        fd = os.open("space", os.O_CREAT | os.O_RDWR)
        fallocate(fd, KEEP_SIZE, 0, 400_000)
        seen = [os.fstat(fd).st_size, os.fstat(fd).st_blocks >= 781]
        fallocate(fd, 0, 0, 300_000)
        os.pwrite(fd, pattern(250_000, 1), 10_000)
        fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 20_001, 50_000)
        fallocate(fd, ZERO_RANGE, 100_003, 20)
        fallocate(fd, ZERO_RANGE | KEEP_SIZE, 150_000, 60_000)
        fallocate(fd, ZERO_RANGE, 290_000, 30_000)
        os.close(fd)
        return seen

    show("fallocate", allocated)
    show("contents", lambda: digest("space"))

    def copied():
        source = os.open("space", os.O_RDONLY)
        target = os.open("copy", os.O_CREAT | os.O_RDWR)
        done = 0
        while (step := os.copy_file_range(source, target, 1 << 20, done, 100 + done)) > 0:
            done += step
        os.close(source)
        os.close(target)
        return done

    show("copy_file_range", copied)
    show("contents", lambda: digest("copy"))


def attributes():
    os.close(os.open("f", os.O_CREAT | os.O_RDWR, 0o644))
    show("chmod", lambda: os.chmod("f", 0o6751))
    show("f", lambda: brief("f"))
    show("chown", lambda: os.chown("f", 12345, 54321))
    show("f", lambda: brief("f"))
    for times in [(-1_500_000_001, 1_900_000_000_123_456_789), (5_000_000_000_123_456_789, -9)]:
        show("utime", lambda: os.utime("f", ns=times))
        show("times", lambda: [os.stat("f").st_atime_ns, os.stat("f").st_mtime_ns])
    os.chmod("f", 0o6755)

    def as_user():
        child = os.fork()
        if child == 0:
            os.chmod("f", 0o6757)
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            fd = os.open("f", os.O_WRONLY)
            os.write(fd, b"x")
            os.close(fd)
            os._exit(0)
        return os.waitpid(child, 0)[1]

    show("written by another", as_user)
    show("f", lambda: brief("f"))
    show("setxattr", lambda: os.setxattr("f", "user.one", b"1" * 100))
    show("create", lambda: os.setxattr("f", "user.one", b"2", os.XATTR_CREATE))
    show("replace", lambda: os.setxattr("f", "user.two", b"2", os.XATTR_REPLACE))
    show("long", lambda: os.setxattr("f", "user.long", pattern(3000)))
    show("too long", lambda: os.setxattr("f", "user.huge", pattern(60_000)))
    show("list", lambda: sorted(os.listxattr("f")))
    show("remove", lambda: os.removexattr("f", "user.one"))
    show("remove again", lambda: os.removexattr("f", "user.one"))

    def flags(value):
        fd = os.open("f", os.O_RDONLY)
        try:
            old = struct.unpack("=i", fcntl.ioctl(fd, 0x80086601, bytes(8))[:4])[0]
            fcntl.ioctl(fd, 0x40086602, struct.pack("=q", old & ~0x70 | value))
            return fcntl.ioctl(fd, 0x80086601, bytes(8))[:4].hex()
        finally:
            os.close(fd)

    def late(path, how, data):
        """A write and what it comes to: without OPEN, our answer may come no earlier than the write's."""
        try:
            fd = os.open(path, how)
            try:
                os.write(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            return errno.errorcode[error.errno]

    show("nodump", lambda: flags(0x40))
    show("append", lambda: flags(0x20))
    for line in (b"one\n", b"two\n", b"three\n"):
        show("appending", lambda: late("f", os.O_WRONLY | os.O_APPEND, line))
    show("overwriting", lambda: late("f", os.O_WRONLY, b"0"))
    show("unlink", lambda: os.unlink("f"))
    show("truncate", lambda: os.truncate("f", 0))
    show("immutable", lambda: flags(0x10))
    show("writing", lambda: late("f", os.O_WRONLY, b"0"))
    show("appending", lambda: late("f", os.O_WRONLY | os.O_APPEND, b"0"))
    show("chmod", lambda: os.chmod("f", 0o600))
    show("link", lambda: os.link("f", "g"))
    show("rename", lambda: os.rename("f", "g"))
    show("none", lambda: flags(0))
    show("unlink", lambda: os.unlink("f"))
    os.mkdir("set-gid")
    os.chown("set-gid", 0, 777)
    os.chmod("set-gid", 0o2775)
    os.mkdir("set-gid/d")
    os.close(os.open("set-gid/f", os.O_CREAT | os.O_RDWR, 0o664))
    show("inherits the group", lambda: [brief("set-gid/d"), brief("set-gid/f")])


if __name__ == "__main__":
    {"names": names, "contents": contents, "attributes": attributes}[sys.argv[1]]()
