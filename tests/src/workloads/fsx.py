"""Random input and output on one file, through every door there is, compared byte by byte with a copy in memory.

usage: fsx.py DIRECTORY SEED OPERATIONS [BLOCK [nofalloc|noshift]]
BLOCK is what ranges that are shifted are multiples of; Linux lets no file system in user space shift them. Prints the last operations when something differs.
"""
import ctypes
import mmap
import os
import random
import sys

LIMIT = 1 << 20
DIRECT = 4096
KEEP_SIZE, PUNCH, COLLAPSE, ZERO, INSERT = 1, 2, 8, 16, 32
libc = ctypes.CDLL(None, use_errno=True)


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Fsx:
    def __init__(self, directory, seed, block, without):
        self.random = random.Random(seed)
        self.path = os.path.join(directory, "fsx-%d" % seed)
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        self.truth = bytearray()
        self.block = block
        self.without = without
        self.log = []
        self.aligned = mmap.mmap(-1, LIMIT)

    def range(self, limit=LIMIT, most=1 << 16):
        offset = self.random.randrange(limit)
        if self.random.random() < 0.3:
            offset -= offset % DIRECT
        return offset, 1 + self.random.randrange(min(most, limit - offset))

    def inside(self):
        if not self.truth:
            return None
        offset = self.random.randrange(len(self.truth))
        return offset, 1 + self.random.randrange(min(1 << 16, len(self.truth) - offset))

    def note(self, *what):
        self.log.append(" ".join(str(part) for part in what))

    def same(self, what, offset, found):
        wanted = bytes(self.truth[offset:offset + len(found)])
        if found == wanted:
            return
        first = next((i for i in range(min(len(found), len(wanted))) if found[i] != wanted[i]), min(len(found), len(wanted)))
        raise AssertionError("%s: byte %d is %s, not %s (of %d, read at %d)" % (
            what, offset + first, found[first:first + 8].hex(), wanted[first:first + 8].hex(), len(found), offset))

    def put(self, offset, data):
        if len(self.truth) < offset:
            self.truth.extend(bytes(offset - len(self.truth)))
        self.truth[offset:offset + len(data)] = data

    # The operations.

    def write(self):
        offset, length = self.range()
        data = self.random.randbytes(length)
        self.note("write", offset, length)
        assert os.pwrite(self.fd, data, offset) == length
        self.put(offset, data)

    def read(self):
        offset, length = self.range()
        self.note("read", offset, length)
        found = os.pread(self.fd, length, offset)
        assert len(found) == max(0, min(length, len(self.truth) - offset)), "short read of %d" % len(found)
        self.same("read", offset, found)

    def map(self, length):
        return mmap.mmap(self.fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)

    def mapread(self):
        where = self.inside()
        if where is None:
            return
        offset, length = where
        self.note("mapread", offset, length)
        with self.map(offset + length) as view:
            self.same("mapread", offset, view[offset:offset + length])

    def mapwrite(self):
        where = self.inside()
        if where is None:
            return
        offset, length = where
        data = self.random.randbytes(length)
        self.note("mapwrite", offset, length)
        with self.map(offset + length) as view:
            view[offset:offset + length] = data
            if self.random.random() < 0.3:
                view.flush()
        self.put(offset, data)

    def direct(self):
        offset = self.random.randrange(LIMIT // DIRECT) * DIRECT
        length = min((1 + self.random.randrange(16)) * DIRECT, LIMIT - offset)
        fd = os.open(self.path, os.O_RDWR | os.O_DIRECT)
        try:
            window = memoryview(self.aligned)[:length]
            if self.random.random() < 0.5:
                self.note("direct read", offset, length)
                count = os.preadv(fd, [window], offset)
                assert count == max(0, min(length, len(self.truth) - offset)), "short read of %d" % count
                self.same("direct read", offset, bytes(window[:count]))
            else:
                data = self.random.randbytes(length)
                window[:] = data
                self.note("direct write", offset, length)
                assert os.pwritev(fd, [window], offset) == length
                self.put(offset, data)
            window.release()
        finally:
            os.close(fd)

    def append(self):
        if len(self.truth) > LIMIT - 70000:
            return
        data = self.random.randbytes(1 + self.random.randrange(5000))
        self.note("append", len(self.truth), len(data))
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            assert os.write(fd, data) == len(data)
        finally:
            os.close(fd)
        self.put(len(self.truth), data)

    def truncate(self):
        size = self.random.randrange(LIMIT)
        self.note("truncate", len(self.truth), size)
        os.ftruncate(self.fd, size)
        if size < len(self.truth):
            del self.truth[size:]
        else:
            self.put(size, b"")

    def allocate(self):
        offset, length = self.range()
        keep = self.random.random() < 0.5
        self.note("fallocate", offset, length, "keep size" if keep else "")
        fallocate(self.fd, KEEP_SIZE if keep else 0, offset, length)
        if not keep:
            self.put(max(len(self.truth), offset + length), b"")

    def clear(self, mode):
        offset, length = self.range()
        self.note("zero" if mode & ZERO else "punch", mode, offset, length)
        fallocate(self.fd, mode, offset, length)
        if mode & KEEP_SIZE == 0 and len(self.truth) < offset + length:
            self.put(offset + length, b"")
        end = min(offset + length, len(self.truth))
        if end > offset:
            self.truth[offset:end] = bytes(end - offset)

    def punch(self):
        self.clear(PUNCH | KEEP_SIZE)

    def zero(self):
        self.clear(ZERO | self.random.choice((0, KEEP_SIZE)))

    def collapse(self):
        blocks = (len(self.truth) - 1) // self.block
        if blocks < 2:
            return
        offset = self.random.randrange(blocks)
        length = 1 + self.random.randrange(min(blocks - offset, 16))
        offset, length = offset * self.block, length * self.block
        if offset + length >= len(self.truth):
            return
        self.note("collapse", offset, length)
        fallocate(self.fd, COLLAPSE, offset, length)
        del self.truth[offset:offset + length]

    def insert(self):
        blocks = len(self.truth) // self.block
        length = (1 + self.random.randrange(16)) * self.block
        if blocks < 1 or len(self.truth) + length > LIMIT:
            return
        offset = self.random.randrange(blocks) * self.block
        if offset >= len(self.truth):
            return
        self.note("insert", offset, length)
        fallocate(self.fd, INSERT, offset, length)
        self.truth[offset:offset] = bytes(length)

    def copy(self):
        where = self.inside()
        if where is None:
            return
        source, length = where
        target = self.random.randrange(LIMIT - length)
        if abs(source - target) < length:
            return
        self.note("copy", source, length, "to", target)
        done = 0
        while done < length:
            count = os.copy_file_range(self.fd, self.fd, length - done, source + done, target + done)
            assert count > 0, "copied nothing"
            done += count
        self.put(target, bytes(self.truth[source:source + length]))

    def sync(self):
        self.note("fsync")
        (os.fsync if self.random.random() < 0.5 else os.fdatasync)(self.fd)

    def reopen(self):
        self.note("reopen")
        os.close(self.fd)
        self.fd = os.open(self.path, os.O_RDWR)

    def forget(self):
        self.note("drop the cache")
        os.fsync(self.fd)
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def check(self):
        size = os.fstat(self.fd).st_size
        assert size == len(self.truth), "the size is %d, not %d" % (size, len(self.truth))
        self.same("everything", 0, os.pread(self.fd, size + 1, 0))

    def play(self, operations):
        kinds = [self.write] * 6 + [self.read] * 5 + [self.mapread] * 3 + [self.mapwrite] * 4 + [self.direct] * 3
        kinds += [self.append] * 2 + [self.truncate] * 2 + [self.copy] * 2 + [self.sync, self.reopen, self.forget, self.punch]
        if "nofalloc" not in self.without:
            kinds += [self.allocate, self.zero, self.punch]
            if "noshift" not in self.without:
                kinds += [self.collapse, self.insert]
        for number in range(operations):
            self.random.choice(kinds)()
            assert os.fstat(self.fd).st_size == len(self.truth), "the size is %d, not %d" % (
                os.fstat(self.fd).st_size, len(self.truth))
            if number % 50 == 49:
                self.check()
        self.forget()
        self.check()


def main():
    directory, seed, operations = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    block = int(sys.argv[4]) if len(sys.argv) > 4 else DIRECT
    fsx = Fsx(directory, seed, block, sys.argv[5:])
    try:
        fsx.play(operations)
    except (AssertionError, OSError) as error:
        print("seed %d, operation %d: %s" % (seed, len(fsx.log), error), *fsx.log[-30:], sep="\n", file=sys.stderr)
        sys.exit(1)


main()
