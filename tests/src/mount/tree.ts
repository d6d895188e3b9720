/** The image that mounts are tested with: filled by the kernel, with something for every test. */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { debugfs } from "../images/build.js";
import { withLoopMount } from "../system/loop.js";
import { run } from "../system/process.js";

const FEATURES = [
  "none,has_journal,extents,filetype,dir_index,ext_attr,sparse_super,large_file,huge_file,dir_nlink,flex_bg,resize_inode",
  "metadata_csum,64bit,extra_isize",
].join(",");
const SIZE = 32 << 20;
export const LABEL = "mounted";

/** Shell commands, run in the root of the mounted image. */
const FILL = `
  mkdir -p files dirs/a/b/c flags access many links
  head -c 3000000 /dev/urandom > files/big
  echo content > files/small; : > files/empty
  truncate -s 5M files/sparse; printf data | dd of=files/sparse bs=1 seek=1234567 conv=notrunc status=none
  fallocate -l 300k files/unwritten; printf x | dd of=files/unwritten bs=1 seek=100000 conv=notrunc status=none
  for i in $(seq 0 3 120); do printf '%04096d' $i | dd of=files/fragments bs=4096 seek=$i conv=notrunc status=none; done
  ln files/small links/hard; ln -s ../files/small links/soft; ln -s $(printf 'long/%.0s' $(seq 40)) links/long
  ln -s loop links/loop; ln -s nowhere links/dangling; ln -s / links/absolute
  mkfifo files/fifo; mknod files/null c 1 3; mknod files/block b 259 70000; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("files/socket")'
  for i in $(seq 1500); do : > "many/a file whose name takes some room $i"; done
  setfattr -n user.note -v value files/small; setfattr -n trusted.note -v hidden files/small
  setfattr -n security.note -v seen files/small; setfattr -n user.empty files/small
  for f in immutable append nodump noatime sync dirsync plain; do : > flags/$f; done
  chattr +i flags/immutable; chattr +a flags/append; chattr +d flags/nodump; chattr +A flags/noatime; chattr +S flags/sync
  mkdir flags/dir; chattr +D flags/dir; mkdir flags/project
  : > flags/project/file; chattr +T flags/dir
  cd access
  echo open > open; chmod 644 open; echo closed > closed; chmod 600 closed; echo group > group; chgrp 65534 group; chmod 640 group
  echo acl > acl; chmod 600 acl; setfacl -m u:65534:r acl
  echo mask > mask; setfacl -m u:65534:rw,m::x mask
  echo denied > denied; chmod 644 denied; setfacl -m u:65534:- denied
  echo 'echo run' > run; chmod 711 run; echo 'echo run' > norun; chmod 644 norun
  mkdir search list both none; chmod 711 search; chmod 744 list; chmod 755 both; chmod 700 none
  mkdir default; setfacl -d -m u:65534:rwx default; for d in search list both none; do echo in > $d/file; done
  mkdir acldir; chmod 700 acldir; setfacl -m u:65534:rx acldir; echo in > acldir/file
  cp /bin/true suid; chmod 4755 suid; touch -d '1960-02-03 04:05:06.123456789' old; touch -d '2200-02-03 04:05:06.987654321' new
`;

/** The flag of regular files means nothing and is not shown. */
const DETAILS = [
  "set_inode_field /flags/nodump generation 12345",
  "set_inode_field /flags/project flags 0x20080000",
  "set_inode_field /flags/project projid 77",
  "set_inode_field /flags/project/file flags 0x20080000",
  "set_inode_field /flags/project/file projid 77",
];

/** Makes the image at `path`. */
export function makeTree(path: string): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, SIZE);
  closeSync(fd);
  run("mke2fs", [
    "-q",
    "-F",
    "-t",
    "ext4",
    "-b",
    "4096",
    "-I",
    "256",
    "-L",
    LABEL,
    "-O",
    FEATURES,
    "-J",
    "size=4",
    path,
  ]);
  withLoopMount(path, {}, (root) => run("bash", ["-euc", `cd '${root}'; ${FILL}`]));
  // Projects need a quota format that the kernel may lack; it still reads them.
  run("tune2fs", ["-O", "project,quota", "-Q", "prjquota", path]);
  debugfs(path, 0, DETAILS);
  run("e2fsck", ["-fy", path], { accept: [1] });
}
