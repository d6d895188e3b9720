"""System calls on a mounted tree, one line of outcome each, so that two mounts of one image can be compared."""
import ctypes, errno, fcntl, mmap, os, stat, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def outcome(what, call):
    try:
        print(what, call())
    except OSError as error:
        print(what, errno.errorcode.get(error.errno, error.errno))
    except Exception as error:
        print(what, type(error).__name__, error)


def call(name, *arguments):
    ctypes.set_errno(0)
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def opened(path, flags, use):
    fd = os.open(path, flags)
    try:
        return use(fd)
    finally:
        os.close(fd)


def refusals():
    """Everything that would change something, and names that cannot be."""
    path = "files/small"
    for flags in ("O_WRONLY", "O_RDWR", "O_RDONLY|O_TRUNC", "O_WRONLY|O_APPEND", "O_RDONLY|O_CREAT"):
        bits = 0
        for flag in flags.split("|"):
            bits |= getattr(os, flag)
        outcome("open " + flags, lambda: opened(path, bits, lambda fd: "ok"))
    outcome("create", lambda: os.open("new", os.O_CREAT | os.O_RDWR))
    outcome("create excl there", lambda: os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR))
    outcome("tmpfile", lambda: os.open("dirs", os.O_TMPFILE | os.O_RDWR))
    outcome("mkdir", lambda: os.mkdir("new"))
    outcome("mkdir there", lambda: os.mkdir("dirs"))
    outcome("mknod", lambda: os.mknod("new", stat.S_IFREG | 0o600))
    outcome("mkfifo", lambda: os.mkfifo("new"))
    outcome("unlink", lambda: os.unlink(path))
    outcome("unlink missing", lambda: os.unlink("missing"))
    outcome("rmdir", lambda: os.rmdir("dirs/a/b/c"))
    outcome("rename", lambda: os.rename(path, "files/other"))
    outcome("rename missing", lambda: os.rename("missing", "files/other"))
    outcome("link", lambda: os.link(path, "files/other"))
    outcome("symlink", lambda: os.symlink("target", "new"))
    outcome("symlink there", lambda: os.symlink("target", path))
    outcome("chmod", lambda: os.chmod(path, 0o600))
    outcome("chown", lambda: os.chown(path, 1, 1))
    outcome("lchown", lambda: os.lchown("links/soft", 1, 1))
    outcome("utime", lambda: os.utime(path))
    outcome("truncate", lambda: os.truncate(path, 1))
    outcome("setxattr", lambda: os.setxattr(path, "user.other", b"x"))
    outcome("removexattr", lambda: os.removexattr(path, "user.note"))
    outcome("setxattr acl", lambda: os.setxattr(path, "system.posix_acl_access", b"\2\0\0\0"))
    outcome("ftruncate", lambda: opened(path, os.O_RDONLY, lambda fd: os.ftruncate(fd, 1)))
    outcome("fchmod", lambda: opened(path, os.O_RDONLY, lambda fd: os.fchmod(fd, 0o600)))
    outcome("fallocate", lambda: opened(path, os.O_RDONLY, lambda fd: os.posix_fallocate(fd, 0, 10)))
    outcome("setflags", lambda: opened(path, os.O_RDONLY, lambda fd: fcntl.ioctl(fd, 0x40086602, struct.pack("i", 0x40))))
    outcome("access w", lambda: os.access(path, os.W_OK))
    outcome("access r", lambda: os.access(path, os.R_OK))
    outcome("fsync", lambda: opened(path, os.O_RDONLY, os.fsync))
    outcome("fsync dir", lambda: opened("dirs", os.O_RDONLY, os.fsync))
    outcome("write fifo", lambda: opened("files/fifo", os.O_RDWR | os.O_NONBLOCK, lambda fd: os.write(fd, b"x")))
    outcome("long name", lambda: os.stat("n" * 256))
    outcome("long name 255", lambda: os.stat("n" * 255))
    outcome("long path", lambda: os.stat("dirs/" + "./" * 3000))
    outcome("loop", lambda: os.stat("links/loop"))
    outcome("loop nofollow", lambda: os.open("links/soft", os.O_RDONLY | os.O_NOFOLLOW))
    outcome("dangling", lambda: os.stat("links/dangling"))
    outcome("not a directory", lambda: os.stat("files/small/x"))
    outcome("not a directory .", lambda: os.stat("files/small/."))
    outcome("missing", lambda: os.stat("files/missing"))
    outcome("open directory w", lambda: os.open("dirs", os.O_RDWR))
    outcome("read directory", lambda: opened("dirs", os.O_RDONLY, lambda fd: os.read(fd, 10)))
    outcome("list a file", lambda: os.listdir("files/small"))
    outcome("readlink of a file", lambda: os.readlink("files/small"))
    outcome("rmdir root entry", lambda: os.rmdir("lost+found"))
    outcome("getxattr missing", lambda: os.getxattr(path, "user.missing"))
    outcome("getxattr namespace", lambda: os.getxattr(path, "nothing.here"))
    outcome("getxattr system", lambda: os.getxattr(path, "system.unknown"))
    outcome("getxattr prefix", lambda: os.getxattr(path, "user."))
    outcome("getxattr of a file without", lambda: os.getxattr("files/big", "user.x"))
    outcome("getxattr acl of a link", lambda: os.getxattr("links/soft", "system.posix_acl_access", follow_symlinks=False))
    outcome("getxattr user of a link", lambda: os.getxattr("links/soft", "user.x", follow_symlinks=False))
    outcome("getxattr long", lambda: os.getxattr(path, "user." + "n" * 250))
    outcome("getxattr too long", lambda: os.getxattr(path, "user." + "n" * 251))


FILES = ("big", "small", "empty", "sparse", "unwritten", "fragments")


def reads():
    """The same bytes by every way of reading."""
    import hashlib

    digest = lambda data: hashlib.sha256(data).hexdigest()[:16]
    # First of all: where the kernel has pages of an unwritten range in its cache, it takes them for data.
    for name in FILES:
        path = "files/" + name
        size = os.stat(path).st_size
        for whence, label in ((os.SEEK_DATA, "data"), (os.SEEK_HOLE, "hole"), (os.SEEK_END, "end")):
            for offset in (0, 1, 4096, 100000, 1234567, size - 1, size, size + 1, -1):
                outcome(
                    "seek %s %s %d" % (name, label, offset),
                    lambda: opened(path, os.O_RDONLY, lambda fd: os.lseek(fd, offset, whence)),
                )
    for name in FILES:
        path = "files/" + name
        size = os.stat(path).st_size
        outcome("read " + name, lambda: digest(open(path, "rb").read()))

        def mapped():
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as m:
                return digest(m[:])

        outcome("mmap " + name, mapped)

        def shared():
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as m:
                return digest(b"".join(m[at : at + 1] for at in range(0, size, 4097)))

        outcome("mmap at a few places " + name, shared)

        def direct(length, offset):
            buffer = mmap.mmap(-1, length)
            fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
            try:
                return os.preadv(fd, [buffer], offset), digest(buffer[:])
            finally:
                os.close(fd)

        for length, offset in ((4096, 0), (1 << 20, 0), (65536, 8192), (4096, 4096 * 700), (4096, 1 << 40)):
            outcome("direct %s %d at %d" % (name, length, offset), lambda: direct(length, offset))
        for length, offset in ((1, 0), (100, size - 50), (100, size), (100, size + 1), (7, 4093), (100000, 1)):
            outcome(
                "pread %s %d at %d" % (name, length, offset),
                lambda: opened(path, os.O_RDONLY, lambda fd: digest(os.pread(fd, length, max(offset, 0)))),
            )


FLAGS = {
    "GETFLAGS": (0x80086601, 8),
    "GETVERSION": (0x80087601, 8),
    "EXT4 GETVERSION": (0x80086603, 8),
    "FSGETXATTR": (0x801C581F, 28),
    "GETFSLABEL": (0x81009431, 256),
    "unknown": (0x80086677, 8),
    "TCGETS": (0x5401, 60),
}


def ioctls():
    """Every reading ioctl on every kind of file; what is behind the answer must stay as it was."""
    paths = ["files/small", "files/big", "dirs", "."] + ["flags/" + name for name in sorted(os.listdir("flags"))]
    for path in paths + ["flags/project/file", "files/null", "files/fifo"]:
        for name, (request, size) in FLAGS.items():

            def run():
                buffer = bytearray(b"\xa5" * (size + 8))
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    fcntl.ioctl(fd, request, buffer, True)
                finally:
                    os.close(fd)
                return bytes(buffer).hex()

            outcome("%s of %s" % (name, path), run)


class Dirent(ctypes.Structure):
    _fields_ = [
        ("ino", ctypes.c_uint64),
        ("off", ctypes.c_int64),
        ("reclen", ctypes.c_uint16),
        ("type", ctypes.c_uint8),
        ("name", ctypes.c_char * 256),
    ]


def directory():
    """telldir, seekdir and rewinddir: from every position the rest of the listing is the same."""
    libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
    libc.telldir.restype = ctypes.c_long
    libc.telldir.argtypes = libc.rewinddir.argtypes = libc.closedir.argtypes = libc.readdir.argtypes = [ctypes.c_void_p]
    libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
    for path in (b"many", b"files", b"dirs/a/b/c"):
        handle = libc.opendir(path)

        def following(limit=10**9):
            names = []
            while len(names) < limit:
                entry = libc.readdir(handle)
                if entry is None:
                    break
                names.append(ctypes.cast(entry, ctypes.POINTER(Dirent)).contents.name)
            return names

        positions, names = [], []
        while True:
            positions.append(libc.telldir(handle))
            name = following(1)
            if not name:
                break
            names += name
        print(path.decode(), len(names), len(set(names)), "positions differ", len(set(positions)) == len(positions))
        libc.rewinddir(handle)
        print("rewound", following() == names)
        wrong = []
        for index in list(range(0, len(names), 7)) + [len(names)]:
            libc.seekdir(handle, positions[index])
            if following(20) != names[index : index + 20]:
                wrong.append(index)
        print("wrong after seekdir", wrong)
        libc.closedir(handle)
        print(sorted(names))


def handles():
    """File handles as NFS uses them, opened again after the caches are dropped."""
    class Handle(ctypes.Structure):
        _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_char * 128)]

    root = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    kept = []
    for path in ("files/small", "dirs/a/b", "many", "."):
        handle, mount = Handle(128), ctypes.c_int()
        call("name_to_handle_at", -100, path.encode(), ctypes.byref(handle), ctypes.byref(mount), 0)
        kept.append((path, os.stat(path).st_ino, handle))
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("2")
    for path, ino, handle in kept:

        def again():
            fd = call("open_by_handle_at", root, ctypes.byref(handle), os.O_RDONLY)
            try:
                return os.fstat(fd).st_ino == ino
            finally:
                os.close(fd)

        outcome("handle of " + path, again)


os.chdir(sys.argv[2])
{"refusals": refusals, "reads": reads, "ioctls": ioctls, "directory": directory, "handles": handles}[sys.argv[1]]()
