import type { CommandDeclaration, OptionDeclaration } from "../command-line/declaration.js";

/** What `bulkhead` is, in a sentence. */
export const about =
  "Bulkhead handles ext4 file systems (and ext2 and ext3) in images and on devices without the kernel's ext4 driver: looks inside and copies out without a mount, or mounts them, for reading and writing, through FUSE.";

/** Options of every command that looks into an image. */
const sourceOptions: readonly OptionDeclaration[] = [
  {
    name: "offset",
    value: "BYTES",
    description: "The file system starts at this byte of the image (K, M, G: KiB, MiB, GiB).",
  },
  { name: "partition", value: "N", description: "The file system is in partition N of the image's GPT or MBR table." },
  { name: "sb", value: "N", description: "Use the copy of the superblock at N KiB instead of the primary one." },
  { name: "noload", description: "Do not replay the journal (which happens in memory; the image is never changed)." },
  { name: "cache-size", value: "BYTES", description: "Keep at most this much metadata in memory; default 32M." },
];

const json: OptionDeclaration = { name: "json", description: "Print JSON." };

const imagePath = { name: "IMAGE:/PATH", kind: "image-path" } as const;

const imagePathParagraph =
  "IMAGE is an image file or a device, /PATH a path inside it. IMAGE alone means its root directory. If the name of the image has colons, the longest that is there counts. Symbolic links in /PATH are followed inside the image; `..` never leads out of it.";

const escapesParagraph =
  "Names are printed byte for byte, except on a terminal: there control characters and bytes that are not UTF-8 are shown as \\xNN, and a backslash as \\\\.";

export const commands: readonly CommandDeclaration[] = [
  {
    name: "mount",
    section: 8,
    summary: "mount an image or a device through FUSE",
    arguments: [
      { name: "SOURCE", kind: "source" },
      { name: "MOUNTPOINT", kind: "mountpoint" },
    ],
    options: [
      {
        name: "options",
        short: "o",
        value: "LIST",
        repeatable: true,
        description: "Mount options, separated by commas; see MOUNT OPTIONS in the manual.",
      },
      {
        name: "foreground",
        short: "f",
        description: "Serve from this process, and log to standard error, until unmounted or interrupted.",
      },
      {
        name: "log",
        value: "FILE",
        description: "Append the server's log lines to FILE; default: the system log (logger).",
      },
    ],
    description: [
      "Mounts the ext4 file system in SOURCE, an image file or a device, at the directory MOUNTPOINT, for reading and writing unless SOURCE is write-protected. Returns when the mount answers; a server process stays behind until it is unmounted.",
      'Root mounts directly; other users through fusermount3. When the server ends by SIGINT, SIGTERM or SIGHUP it unmounts; if it was killed, programs get "Transport endpoint is not connected" until `bulkhead umount` clears the mount.',
      "While SOURCE is mounted for writing, nobody else may have it: a device is opened exclusively, a file is locked. Changes go through the journal, as the kernel's do: whatever ends the server, what was synced is there at the next mount.",
      "A device that root mounts belongs to the mount as it does to the kernel's own ext4: when sync(1) returns, all changes are durable, and when umount(8) returns, SOURCE is complete and can be pulled out. Image files, and mounts of other users, have not that much from the kernel: there fsync(2) is durable as ever, but sync(1) only hands changes to the server, which makes them durable within the time of commit=, and umount(8) does not wait for the server; `bulkhead umount` does, always.",
    ],
    examples: [
      { command: "bulkhead mount disk.img /mnt", does: "Mount an image." },
      { command: "bulkhead mount -o ro disk.img /mnt", does: "Mount it without changing a byte of it." },
      {
        command: "bulkhead mount -o partition=2,allow_other /dev/sdb /mnt",
        does: "Mount the second partition of a stick, for everybody.",
      },
    ],
    load: () => import("./mount.js"),
  },
  {
    name: "umount",
    section: 8,
    summary: "unmount what bulkhead mounted",
    arguments: [{ name: "MOUNTPOINT", kind: "mountpoint" }],
    options: [
      {
        name: "lazy",
        short: "l",
        description: "Detach at once even if files are open; they stay usable until they are closed.",
      },
    ],
    description: [
      "Unmounts MOUNTPOINT, also when its server is gone and the mount only answers with errors. Returns when all that was written is on SOURCE; umount(8) waits for that only where root has mounted a device.",
    ],
    examples: [{ command: "bulkhead umount /mnt", does: "Unmount." }],
    load: () => import("./umount.js"),
  },
  {
    name: "info",
    section: 1,
    summary: "show what kind of file system it is, and how full",
    arguments: [{ name: "SOURCE", kind: "source" }],
    options: [...sourceOptions, json],
    description: [
      "Shows the superblock of the file system in SOURCE: label, UUID, features, sizes, usage, times, recorded errors.",
    ],
    examples: [
      { command: "bulkhead info disk.img", does: "Show it for people." },
      { command: "bulkhead info --json disk.img", does: "Show it for programs." },
    ],
    load: () => import("./info.js"),
  },
  {
    name: "ls",
    section: 1,
    summary: "list directories",
    arguments: [{ ...imagePath, repeatable: true }],
    options: [
      { name: "all", short: "a", description: "Show names that start with a dot, too." },
      {
        name: "long",
        short: "l",
        description: "Show type and permissions, links, owner, group, size and time of modification.",
      },
      { name: "inode", short: "i", description: "Show inode numbers." },
      { name: "recursive", short: "R", description: "List directories inside as well." },
      json,
      ...sourceOptions,
    ],
    description: ["Lists directories, sorted by name, or files.", imagePathParagraph, escapesParagraph],
    examples: [{ command: "bulkhead ls -l disk.img:/etc", does: "List a directory with its attributes." }],
    load: () => import("./ls.js"),
  },
  {
    name: "tree",
    section: 1,
    summary: "show directories as a tree",
    arguments: [imagePath],
    options: [
      { name: "depth", short: "L", value: "N", description: "Go no deeper than N directories." },
      { name: "all", short: "a", description: "Show names that start with a dot, too." },
      ...sourceOptions,
    ],
    description: [
      "Shows a directory and what is in it as a tree, sorted by name.",
      imagePathParagraph,
      escapesParagraph,
    ],
    examples: [{ command: "bulkhead tree -L 2 disk.img", does: "Show two levels." }],
    load: () => import("./tree.js"),
  },
  {
    name: "stat",
    section: 1,
    summary: "show all attributes of files",
    arguments: [{ ...imagePath, repeatable: true }],
    options: [json, ...sourceOptions],
    description: [
      "Shows everything the inode says: type, size, blocks, mode, owners, links, times to the nanosecond, flags, extended attributes. A symbolic link at the end of the path is not followed.",
      imagePathParagraph,
    ],
    examples: [{ command: "bulkhead stat disk.img:/etc/passwd", does: "Show a file's attributes." }],
    load: () => import("./stat.js"),
  },
  {
    name: "cat",
    section: 1,
    summary: "write files to standard output",
    arguments: [{ ...imagePath, repeatable: true }],
    options: [...sourceOptions],
    description: ["Writes the contents of files to standard output, one after the other.", imagePathParagraph],
    examples: [{ command: "bulkhead cat disk.img:/etc/os-release", does: "Print a file." }],
    load: () => import("./cat.js"),
  },
  {
    name: "extents",
    section: 1,
    summary: "show where a file's data lies on the device",
    arguments: [imagePath],
    options: [json, ...sourceOptions],
    description: [
      "Shows the mappings of a file: for each range of it, where on the device its bytes lie, or that it is a hole, unwritten, or inside the inode. Numbers are bytes; places on the device count from the file system's start.",
      imagePathParagraph,
    ],
    examples: [{ command: "bulkhead extents disk.img:/var/lib/db", does: "Show how fragmented a file is." }],
    load: () => import("./extents.js"),
  },
  {
    name: "cp",
    section: 1,
    summary: "copy files out of an image",
    arguments: [
      { ...imagePath, repeatable: true },
      { name: "DEST", kind: "destination" },
    ],
    options: [
      { name: "recursive", short: "r", description: "Copy directories with all that is in them." },
      {
        name: "no-preserve",
        value: "LIST",
        repeatable: true,
        choices: ["mode", "ownership", "timestamps", "xattr", "links", "all"],
        description:
          "Do not keep these: mode, ownership, timestamps, xattr (ACLs are among them), links, or all; separated by commas.",
      },
      {
        name: "no-clobber",
        short: "n",
        description: "Leave files alone that are there already, instead of replacing them.",
      },
      { name: "verbose", short: "v", description: "Print each file when it is done." },
      { name: "quiet", short: "q", description: "Show no progress bar." },
      ...sourceOptions,
    ],
    description: [
      "Copies files and, with -r, directories out of an image. If DEST is a directory they go into it, else DEST becomes the copy. As with cp, IMAGE:/DIR/. stands for what is in the directory, and so does the root directory.",
      "The copy is as true as the caller may make it: sparse files stay sparse (holes and unwritten space as the file's mappings say, not guessed from zeros), hard links stay linked, and modes, times to the nanosecond, extended attributes and ACLs are kept. Owners, device files and attributes of the namespaces security and trusted need root; without it they are left out, with one warning for each kind.",
      "Nothing in an image can make this command write outside DEST: symbolic links that it brings are created but never followed. A file appears under its name when it is complete; an interrupted one is removed. A file that cannot be copied is reported and the others still are; the exit code tells.",
      imagePathParagraph,
    ],
    examples: [
      { command: "bulkhead cp -r disk.img:/home/me rescued", does: "Copy a directory." },
      {
        command: "bulkhead cp --no-preserve=ownership,xattr disk.img:/etc/fstab .",
        does: "Copy a file without owner and attributes.",
      },
    ],
    load: () => import("./cp.js"),
  },
  {
    name: "completion",
    section: 1,
    summary: "print a completion script for a shell",
    arguments: [{ name: "SHELL", kind: "shell" }],
    options: [],
    description: ["Prints the script that makes bash, zsh or fish complete commands and options of bulkhead."],
    examples: [
      { command: "bulkhead completion bash > /etc/bash_completion.d/bulkhead", does: "Install it for bash." },
      { command: "bulkhead completion fish > ~/.config/fish/completions/bulkhead.fish", does: "Install it for fish." },
    ],
    load: () => import("./completion.js"),
  },
];
