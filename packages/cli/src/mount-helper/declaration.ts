import type { CommandDeclaration, OptionDeclaration } from "../command-line/declaration.js";

/** How mount(8) calls its helpers: mount.TYPE SOURCE DIRECTORY [-sfnv] [-N NAMESPACE] [-o LIST] [-t TYPE]. */
const options: readonly OptionDeclaration[] = [
  {
    name: "options",
    short: "o",
    value: "LIST",
    repeatable: true,
    description: "Mount options, separated by commas, as in fstab(5).",
  },
  {
    name: "types",
    short: "t",
    value: "TYPE",
    repeatable: true,
    description: "The type that mount(8) was asked for, if it has a dot.",
  },
  { name: "sloppy", short: "s", description: "Leave out options that are not known, instead of failing." },
  { name: "fake", short: "f", description: "Do everything but start a server and mount." },
  { name: "no-mtab", short: "n", description: "Write nothing to /run/mount/utab." },
  { name: "verbose", short: "v", description: "Say what is done." },
  {
    name: "namespace",
    short: "N",
    value: "NAMESPACE",
    description:
      "Mount in this mount namespace: the number of a process that is in it, or a path such as /proc/1/ns/mnt. Node and this package have to be there as well.",
  },
  { name: "check", description: "Mount nothing; whether there is a service for the type, and the caller may use it." },
];

const socketDirectory =
  "Services are looked for in /run/filesystems, or where install-service --socket-directory has put them; the environment variable BULKHEAD_SOCKET_DIRECTORY names another directory.";

const helperArguments: CommandDeclaration["arguments"] = [
  { name: "SOURCE", kind: "source", optional: true },
  { name: "DIRECTORY", kind: "mountpoint", optional: true },
];

export const mountBulkhead: CommandDeclaration = {
  name: "mount.bulkhead",
  program: "mount.bulkhead",
  section: 8,
  summary: "mount ext4 behind a wall, for mount(8) and fstab",
  arguments: helperArguments,
  options,
  description: [
    "What `mount -t bulkhead SOURCE DIRECTORY`, and a line of fstab(5) with the type bulkhead, run. The server is the one that `bulkhead install-service` has installed; if there is none, it is started as `bulkhead mount` does. Either way a keeper stays behind until it is unmounted: when the server dies, it has another one go on (see restarts= in bulkhead-mount(8)), and it unmounts at SIGTERM.",
    "It takes the options of `bulkhead mount`, ext4's as far as bulkhead-mount(8) names them, and those of fstab(5) that concern mount(8) alone (noauto, nofail, _netdev, user, comment=, x-systemd. and the like) have no effect. What root mounts is there for all users (allow_other), with the permissions that are in the file system, as with the kernel's ext4; other than there, set-user-id bits and device files do not work unless suid and dev are given.",
    "remount changes what is the kernel's alone: ro and rw, sync, nosuid, nodev, noexec, nosymfollow and their opposites. What its server goes by stays as it was mounted, and a line on standard error says so of other options; what was mounted ro takes no changes with rw either.",
    socketDirectory,
  ],
  examples: [
    { command: "mount -t bulkhead -o ro /dev/sdb1 /mnt", does: "Mount a stick." },
    {
      command: "/dev/sdb1 /media/stick bulkhead defaults,noauto,user,nofail 0 0",
      does: "A line of fstab: users may mount it.",
    },
    {
      command: "/srv/disk.img /srv/disk bulkhead noatime,x-systemd.requires=bulkhead.socket 0 0",
      does: "A line of fstab that is mounted at boot, by the service.",
    },
  ],
  load: () => import("./bulkhead.js"),
};

export const mountSafe: CommandDeclaration = {
  name: "mount.safe",
  program: "mount.safe",
  section: 8,
  summary: "mount through a contained file system service of any kind",
  arguments: helperArguments,
  options,
  description: [
    "What `mount -t safe.TYPE SOURCE DIRECTORY` runs: the service that listens at /run/filesystems/TYPE, of this product or another (libfuse 3.19 has the protocol), serves the file system, and gets no file but those that are named here.",
    "Options are the service's own. Those that concern mount(8) alone have no effect. Set-user-id bits and device files do not work unless suid and dev are given.",
    "If there is no service for the type, nothing is done and the exit code is 2.",
    socketDirectory,
  ],
  examples: [
    { command: "mount -t safe.ext4 /dev/sdb1 /mnt", does: "Mount a stick by whichever service there is for ext4." },
    { command: "mount.safe --check -t ext4", does: "Ask whether there is one." },
  ],
  load: () => import("./safe.js"),
};

/** Programs of their own in the same package: the name of the file that is run says which. */
export const mountHelpers: readonly CommandDeclaration[] = [mountBulkhead, mountSafe];
