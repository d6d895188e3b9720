"""A program relies on space as soon as the removal that frees it has returned, while the server has yet to hear of it. Prints what came
of each attempt, and how often."""
import collections
import errno
import mmap
import os
import signal
import sys
import threading
import time

server = int(sys.argv[1])


def outcome(work):
    try:
        work()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]


def fill(fd):
    free = os.statvfs(".")
    step = free.f_bfree * free.f_frsize // 16 * 15
    size = 0
    while step >= 1 << 10:
        if outcome(lambda: os.posix_fallocate(fd, size, step)) == "done":
            size += step
        else:
            step >>= 2


def once(other):
    """What became of a fallocate(2) that is queued while the removal of what fills the file system is, and of one before it."""
    filler = os.open("filler", os.O_RDWR | os.O_CREAT)
    fill(filler)
    mapping = mmap.mmap(filler, mmap.PAGESIZE)
    os.close(filler)
    # One request, and nothing before it.
    grow = lambda: os.posix_fallocate(other, os.fstat(other).st_size, 1 << 16)
    full = outcome(grow)
    os.unlink("filler")
    os.fstat(other)
    grown = []
    grower = threading.Thread(target=lambda: grown.append(outcome(grow)))
    os.kill(server, signal.SIGSTOP)
    try:
        mapping.close()  # the last use: the kernel queues the FORGET, and returns
        grower.start()
        time.sleep(0.01)
        waits = "" if grown else "waits"
    finally:
        os.kill(server, signal.SIGCONT)
    grower.join()
    return full, waits, grown[0]


other = os.open("other", os.O_RDWR | os.O_CREAT)
os.posix_fallocate(other, 0, 1 << 16)
# Where there is a choice, FORGETs come first 16 times, and requests 8 times.
for outcomes, times in collections.Counter(once(other) for _ in range(24)).items():
    print(times, *outcomes)
