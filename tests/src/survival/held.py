"""What a process holds of a mount while its server dies.

usage: held.py DIRECTORY NAMES
Opens and locks things, prints "ready", waits for a line on its input, and looks whether everything is as it was.
"""
import ctypes
import errno
import fcntl
import os
import sys

directory, names = sys.argv[1], int(sys.argv[2])
os.chdir(directory)
libc = ctypes.CDLL(None, use_errno=True)


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("reclen", ctypes.c_uint16), ("type", ctypes.c_uint8), ("name", ctypes.c_char * 256)]


libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.POINTER(Dirent)
libc.readdir.argtypes = [ctypes.c_void_p]


def refused(work):
    try:
        work()
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EACCES)
    return False


unlinked = open("unlinked", "w+b", buffering=0)
unlinked.write(b"of no name")
os.unlink("unlinked")
nameless = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(nameless, b"never had one")
locked = open("locked", "w+b", buffering=0)
locked.write(b"x" * 100)
fcntl.flock(locked, fcntl.LOCK_EX)
fcntl.lockf(locked, fcntl.LOCK_EX, 10, 5)
os.mkdir("names")
for n in range(names):
    os.mknod("names/name-%d" % n, 0o600)
stream = libc.opendir(b"names")
seen = set()


def advance(count):
    while count > 0:
        entry = libc.readdir(stream)
        if not entry:
            return
        name = entry.contents.name.decode()
        assert name not in seen, "twice: " + name
        seen.add(name)
        count -= 1


advance(names // 2)
print("ready", flush=True)
sys.stdin.readline()

unlinked.write(b", and more")
unlinked.seek(0)
assert unlinked.read() == b"of no name, and more"
assert os.fstat(unlinked.fileno()).st_nlink == 0
os.lseek(nameless, 0, os.SEEK_SET)
assert os.read(nameless, 100) == b"never had one"
libc.linkat(-100, b"/proc/self/fd/%d" % nameless, -100, b"named", 0x400)
assert open("named").read() == "never had one"
child = os.fork()
if child == 0:
    other = open("locked", "r+b", buffering=0)
    flock = refused(lambda: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB))
    record = refused(lambda: fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 12))
    free = not refused(lambda: fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 50))
    os._exit(0 if flock and record and free else 1)
assert os.waitpid(child, 0)[1] == 0, "the locks are gone"
advance(names + 2)
assert len(seen) == names + 2, "%d names of %d" % (len(seen), names + 2)
