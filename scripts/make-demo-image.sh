#!/usr/bin/env bash
# Makes examples/demo/demo.img.gz, the image that `npm start` mounts. Needs root, mke2fs and a loop mount: the kernel fills it,
# so that what the demonstration reads is what Linux wrote.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'umount "$work/mnt" 2>/dev/null || true; rm -rf "$work"' EXIT
image=$work/demo.img
truncate -s 8M "$image"
mke2fs -q -t ext4 -b 1024 -O inline_data,metadata_csum,64bit -L harbour -U 6b756c6b-6865-6164-8000-000000000001 \
  -E hash_seed=6b756c6b-6865-6164-8000-000000000002,root_owner=1000:1000 "$image"
mkdir "$work/mnt"
mount -o loop,noatime "$image" "$work/mnt"
cd "$work/mnt"
mkdir -p log/1912 manifest "Straße nach Süden"
printf 'This image was written by Linux and is read by Bulkhead, without the kernel looking inside.\n' > README
for day in $(seq -w 1 200); do printf 'day %s: fair wind, all doors closed\n' "$day" > "log/1912/day-$day.txt"; done
seq 1 40000 > manifest/cargo.txt
truncate -s 5G manifest/sparse.bin
printf 'the end' | dd of=manifest/sparse.bin bs=1 seek=5368709113 conv=notrunc status=none
ln manifest/cargo.txt manifest/cargo-again.txt
ln -s ../manifest/cargo.txt log/cargo
printf 'ångström\n' > "Straße nach Süden/длинное имя.txt"
setfattr -n user.captain -v "E. J." README
setfacl -m u:1001:rw README
chmod 640 manifest/cargo.txt
find . -exec touch -h -d '2026-04-14 23:40:00.123456789 UTC' {} +
sha256sum manifest/cargo.txt
cd - >/dev/null
umount "$work/mnt"
debugfs -w -R "set_super_value last_mounted /harbour" "$image" 2>/dev/null
e2fsck -fn "$image" >/dev/null
gzip -9 -n -c "$image" > examples/demo/demo.img.gz
ls -l examples/demo/demo.img.gz
