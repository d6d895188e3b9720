"""What a program sees whose file system's device runs out of room: a line of JSON, outcome by call."""
import errno
import json
import os
import sys

root = sys.argv[1]
MIB = 1 << 20
outcomes = {}


def note(what, call):
    try:
        call()
        outcomes[what] = "done"
    except OSError as error:
        outcomes[what] = errno.errorcode[error.errno]


def fill(fd):
    for _ in range(40):
        os.write(fd, bytes([0x5A]) * MIB)


def create():
    os.close(os.open(f"{root}/new", os.O_CREAT | os.O_WRONLY, 0o644))


kept = os.open(f"{root}/kept", os.O_CREAT | os.O_RDWR, 0o644)
os.write(kept, b"kept")
note("fsync while there is room", lambda: os.fsync(kept))
directory = os.open(root, os.O_RDONLY)
note("fsync of the directory while there is room", lambda: os.fsync(directory))
writer = os.open(f"{root}/large", os.O_CREAT | os.O_RDWR, 0o644)
other = os.open(f"{root}/large", os.O_RDWR)
unsynced = os.open(f"{root}/unsynced", os.O_CREAT | os.O_RDWR, 0o644)
os.write(unsynced, bytes(100_000))
note("writes into the cache", lambda: fill(writer))
note("fsync of the writer", lambda: os.fsync(writer))
note("fsync of a descriptor that was open before", lambda: os.fsync(other))
note("fsync of another file", lambda: os.fsync(unsynced))
note("creation of a file", create)
note("fsync of the directory", lambda: os.fsync(directory))
note("fsync of the writer, again", lambda: os.fsync(writer))
print(json.dumps(outcomes))
