"""Readers at the same time, of bytes that only the disk has. Prints how many reads were right, or failed; says what was wrong."""
import os
import random
import sys
import threading
import time

kind, path, image, reference, seed = sys.argv[1:6]
READERS = 16


def forget(file):
    """Takes a file's pages out of the cache, which only clean ones leave: they have to come from the disk again."""
    fd = os.open(file, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def run(work):
    failures = []

    def guarded(number):
        try:
            work(number, random.Random(int(seed) * 1000 + number))
        except Exception as error:  # told at the end, by the main thread
            failures.append(repr(error))

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit("\n".join(failures[:5]))


def compare():
    """Random pieces of a file against the same pieces of a copy."""
    size = os.path.getsize(reference)
    ours, theirs = os.open(path, os.O_RDONLY), os.open(reference, os.O_RDONLY)
    forget(image)

    def work(_number, chance):
        for _ in range(60):
            at, length = chance.randrange(size), chance.choice([1, 4096, 20_000, 300_000])
            if os.pread(ours, length, at) != os.pread(theirs, length, at):
                raise ValueError(f"other bytes at {at}, {length}")

    run(work)


def fail():
    """Pieces that the disk does not give: an error each, and nobody waits for ever."""
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    seen = []

    def work(number, _chance):
        try:
            os.pread(fd, 4096, size - 4096 * (20 * number + 1))
        except OSError as error:
            seen.append(error.errno)

    run(work)
    print(len(seen), *sorted(set(seen)))


def change():
    """Files of one repeated byte come and go while they are read: nobody ever sees another file's bytes."""
    until = time.monotonic() + 2
    names = [f"{path}/file-{number}" for number in range(8)]

    def work(number, chance):
        while time.monotonic() < until:
            name = chance.choice(names)
            if number < 3:
                byte = bytes([1 + names.index(name)])
                fd = os.open(f"{name}.new-{number}", os.O_WRONLY | os.O_CREAT)
                os.write(fd, byte * chance.randrange(4096, 200_000))
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)
                if chance.random() < 0.5:
                    os.rename(f"{name}.new-{number}", name)
                else:
                    os.unlink(f"{name}.new-{number}")
                forget(image)
            else:
                try:
                    fd = os.open(name, os.O_RDONLY)
                except FileNotFoundError:
                    continue
                data = os.pread(fd, 200_000, chance.randrange(4096))
                os.close(fd)
                if set(data) - {1 + names.index(name)}:
                    raise ValueError(f"{name} shows {sorted(set(data))}")

    run(work)


{"compare": compare, "fail": fail, "change": change}[kind]()
