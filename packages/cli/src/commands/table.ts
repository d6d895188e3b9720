import type { CommandDeclaration, OptionDeclaration } from "../command-line/declaration.js";
import { installService } from "./install-service/declaration.js";

/** What `bulkhead` is, in a sentence. */
export const about =
  "Bulkhead handles ext4 file systems (and ext2 and ext3) in images and on devices without the kernel's ext4 driver: looks inside, copies out and in and changes without a mount, or mounts them, for reading and writing, through FUSE.";

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
  {
    name: "cache-size",
    value: "BYTES",
    description: "Keep at most this much metadata in memory; default 32M, and 64M where it is changed.",
  },
];

const owner: OptionDeclaration = {
  name: "owner",
  value: "UID:GID",
  description: "Whose new files are, in numbers; default the caller's. For systems that boot from the image: 0:0.",
};

/** Options of every command that changes an image: what is written needs the journal, and the superblock itself. */
const changeOptions: readonly OptionDeclaration[] = sourceOptions.filter(
  ({ name }) => name !== "noload" && name !== "sb",
);

const json: OptionDeclaration = { name: "json", description: "Print JSON." };

const imageArgument = { name: "IMAGE:/PATH", kind: "image-path" } as const;

const imagePath = (alone: string) =>
  `IMAGE is an image file or a device, /PATH a path inside it. ${alone} If the name of the image has colons, the longest that is there counts. Symbolic links in /PATH are followed inside the image; \`..\` never leads out of it.`;

const imagePathParagraph = imagePath("IMAGE alone means its root directory.");

/** Of commands that change an image: the root directory is not to be meant by mistake. */
const changedPathParagraph = imagePath("The root directory is IMAGE:/.");

const changeParagraph =
  "IMAGE is changed through its journal, by a server in a process of its own that gets the open image and nothing else; neither root nor a mount nor FUSE is needed. Whoever may write to the image owns what is in it: no permissions inside are checked. Nobody else may use the image meanwhile. When the command returns, everything is on the image.";

const escapesParagraph =
  "Names are printed byte for byte, except on a terminal: there control characters and bytes that are not UTF-8 are shown as \\xNN, and a backslash as \\\\.";

const jsonNames = "A byte of a name that is not UTF-8 is \\udcNN in JSON, as Python's surrogateescape has it.";

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
        description: "Stay, and log to standard error, until unmounted or interrupted.",
      },
      {
        name: "log",
        value: "FILE",
        description: "Append the server's log lines to FILE; default: the system log (logger).",
      },
      {
        name: "uncontained",
        description:
          "Open, mount and serve in one process, with all that the caller may do. Only for images that are trusted as the kernel's own ext4 would have to trust them. There is no keeper then, and no other server when that one dies (restarts= has no effect).",
      },
    ],
    description: [
      "Mounts the ext4 file system in SOURCE, an image file or a device, at the directory MOUNTPOINT, for reading and writing unless SOURCE is write-protected. Both names have to be UTF-8. Returns when the mount answers; a keeper and a server stay behind until it is unmounted. The keeper, with the caller's rights, opens SOURCE and mounts, and looks at nothing in it; the server, which reads it, has the open SOURCE and nothing else: no files, no network, no privileges, and few system calls. bulkhead-status(8) shows that.",
      'Root mounts directly; other users through fusermount3. At SIGINT, SIGTERM or SIGHUP the keeper unmounts, and so it does when a server gets SIGTERM. When a server dies, another one goes on (see restarts=); where none can, programs get "Transport endpoint is not connected" until `bulkhead umount` clears the mount.',
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
    name: "status",
    section: 8,
    summary: "list mounts, or show how one's server is contained",
    arguments: [{ name: "MOUNTPOINT", kind: "mountpoint", optional: true }],
    options: [json],
    description: [
      "Shows what the server of a mount, and the keeper that mounted for it, may do: user, capabilities, filters of system calls, namespaces, limits, open descriptors. All of it is what the kernel says in /proc, for each of their threads; the server is not asked. Landlock is not to be seen there. Without MOUNTPOINT, lists all of Bulkhead's mounts.",
      "Some of it can only be seen by root, and by the user whose mount it is. With --json, which prints an object for a mount, and an array of them without MOUNTPOINT, `missing` says what a contained server would have and this one lacks, and `unseen` what whoever asks cannot see: `contained` does not speak of that.",
    ],
    examples: [
      { command: "bulkhead status", does: "Show what is mounted." },
      { command: "bulkhead status /mnt", does: "Show it for people." },
      { command: "bulkhead status --json /mnt", does: 'Show it for programs: "contained" is true or false.' },
    ],
    load: () => import("./status.js"),
  },
  {
    name: "info",
    section: 1,
    summary: "show what kind of file system it is, and how full",
    arguments: [{ name: "SOURCE", kind: "source" }],
    options: [...sourceOptions, json],
    description: [
      "Shows the superblock of the file system in SOURCE: label, UUID, features, sizes, usage, times, recorded errors.",
      "A journal that needs recovery is replayed in memory, as for all that is read, and what is shown is the state after that; --noload shows the superblock as it lies on SOURCE.",
      "--json prints an object: the fields of the superblock, of which blockCount and the like count blocks of blockSize bytes, times are seconds since 1970 (0: never), numbers of inodes are 0 where there is none, and what the file system has not at all is left out; what the replay of the journal did, as replay; and what statfs(2) says of a mount, as usage.",
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
    arguments: [{ ...imageArgument, repeatable: true }],
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
    description: [
      "Lists directories, sorted by name, or files.",
      imagePathParagraph,
      escapesParagraph,
      `--json prints an array with an object for each directory: its path, and the entries in it. A file that was named is the one entry of an object without path. An entry has name, ino, kind (file, directory, symlink, character-device, block-device, fifo, socket or unknown), mode with the bits of the type, links, uid, gid, size in bytes, blocks of 512 bytes, device (major and minor), atime, mtime and ctime in UTC, and target if it is a symbolic link; one that could not be read, name and ino alone. ${jsonNames}`,
    ],
    examples: [{ command: "bulkhead ls -l disk.img:/etc", does: "List a directory with its attributes." }],
    load: () => import("./ls.js"),
  },
  {
    name: "tree",
    section: 1,
    summary: "show directories as a tree",
    arguments: [imageArgument],
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
    arguments: [{ ...imageArgument, repeatable: true }],
    options: [json, ...sourceOptions],
    description: [
      "Shows everything the inode says: type, size, blocks, mode, owners, links, times to the nanosecond, flags, extended attributes. A symbolic link at the end of the path is not followed.",
      imagePathParagraph,
      `--json prints an array with an object for each file: what bulkhead-ls(1) has of an entry, but path instead of name, and blockSize, crtime (where the inode has one), flags, generation, projectId, and xattrs, whose values are in base64. ${jsonNames}`,
    ],
    examples: [{ command: "bulkhead stat disk.img:/etc/passwd", does: "Show a file's attributes." }],
    load: () => import("./stat.js"),
  },
  {
    name: "cat",
    section: 1,
    summary: "write files to standard output",
    arguments: [{ ...imageArgument, repeatable: true }],
    options: [...sourceOptions],
    description: ["Writes the contents of files to standard output, one after the other.", imagePathParagraph],
    examples: [{ command: "bulkhead cat disk.img:/etc/os-release", does: "Print a file." }],
    load: () => import("./cat.js"),
  },
  {
    name: "extents",
    section: 1,
    summary: "show where a file's data lies on the device",
    arguments: [imageArgument],
    options: [json, ...sourceOptions],
    description: [
      "Shows the mappings of a file: for each range of it, where on the device its bytes lie, or that it is a hole, unwritten, or inside the inode. Numbers are bytes; places on the device count from the file system's start.",
      imagePathParagraph,
      "--json prints an array with an object for each range: kind (data, unwritten, hole or inline), offset, length, and address where it has a place on the device.",
    ],
    examples: [{ command: "bulkhead extents disk.img:/var/lib/db", does: "Show how fragmented a file is." }],
    load: () => import("./extents.js"),
  },
  {
    name: "cp",
    section: 1,
    summary: "copy files out of an image, into one, or from one to another",
    arguments: [
      { name: "SOURCE", kind: "destination", repeatable: true },
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
          "Do not keep these: mode (copies get what the umask leaves of 666, directories of 777), ownership, timestamps, xattr (ACLs are among them), links, or all; separated by commas.",
      },
      {
        name: "no-clobber",
        short: "n",
        description: "Leave files alone that are there already, instead of replacing them.",
      },
      { name: "verbose", short: "v", description: "Print each file when it is done." },
      { name: "quiet", short: "q", description: "Show no progress bar." },
      owner,
      ...sourceOptions,
    ],
    description: [
      "Copies files and, with -r, directories. SOURCE and DEST are IMAGE:/PATH or paths on the host; one of them at least is in an image. If DEST is a directory they go into it, else DEST becomes the copy. A regular file that is there is replaced; an image, a device or anything else is not, but refused: `disk.img:/` is what is in it. As with cp, IMAGE:/DIR/. stands for what is in the directory, and so does the root directory; a DEST that is there keeps its own mode, owner, times and attributes then.",
      "The copy is as true as the caller may make it: sparse files stay sparse (holes and unwritten space as the file's mappings say, not guessed from zeros), hard links stay linked, and modes, times to the nanosecond, extended attributes and ACLs are kept. Owners, device files and attributes of the namespaces security and trusted need root; without it they are left out, with one warning for each kind.",
      "Into an image everything is kept, by everybody: owners, device files and all attributes, as under fakeroot. With --no-preserve=ownership copies are the caller's, or those of --owner.",
      "Nothing in an image can make this command write outside DEST: symbolic links that it brings are created but never followed. A file appears under its name when it is complete; an interrupted one is removed. A file that cannot be copied is reported and the others still are; the exit code tells.",
      changeParagraph,
      imagePath(
        "IMAGE alone, as SOURCE of a copy to the host, means its root directory; else a name without a colon is one on the host.",
      ),
    ],
    examples: [
      { command: "bulkhead cp -r disk.img:/home/me rescued", does: "Copy a directory out." },
      { command: "bulkhead cp -r rootfs/. disk.img:/", does: "Fill an image with what is in a directory." },
      { command: "bulkhead cp -r old.img:/srv new.img:/srv", does: "Copy from image to image." },
      {
        command: "bulkhead cp --no-preserve=ownership,xattr disk.img:/etc/fstab .",
        does: "Copy a file without owner and attributes.",
      },
    ],
    load: () => import("./cp.js"),
  },
  {
    name: "rm",
    section: 1,
    summary: "remove files in an image",
    arguments: [{ ...imageArgument, repeatable: true }],
    options: [
      { name: "recursive", short: "r", description: "Remove directories with all that is in them." },
      { name: "force", short: "f", description: "Say nothing of files that are not there." },
      ...changeOptions,
    ],
    description: ["Removes files and, with -r, directories in an image.", changeParagraph, changedPathParagraph],
    examples: [{ command: "bulkhead rm -r disk.img:/var/cache/apt", does: "Remove a directory." }],
    load: () => import("./rm.js"),
  },
  {
    name: "mkdir",
    section: 1,
    summary: "make directories in an image",
    arguments: [{ ...imageArgument, repeatable: true }],
    options: [
      { name: "parents", short: "p", description: "Make those above as well; none that is there is an error." },
      {
        name: "mode",
        short: "m",
        value: "MODE",
        description: "Permission bits in octal; default 777 without the umask.",
      },
      owner,
      ...changeOptions,
    ],
    description: ["Makes directories in an image.", changeParagraph, changedPathParagraph],
    examples: [
      { command: "bulkhead mkdir -p --owner 0:0 disk.img:/etc/app/conf.d", does: "Make a directory, and those above." },
    ],
    load: () => import("./mkdir.js"),
  },
  {
    name: "mv",
    section: 1,
    summary: "move or rename files in an image",
    arguments: [
      { ...imageArgument, repeatable: true },
      { name: "IMAGE:/DEST", kind: "image-path" },
    ],
    options: [
      { name: "no-clobber", short: "n", description: "Leave what is there already, instead of replacing it." },
      ...changeOptions,
    ],
    description: [
      "Gives files and directories in an image another name. If DEST is a directory they go into it. Both are in one image; from one to another, use cp and rm.",
      changeParagraph,
      changedPathParagraph,
    ],
    examples: [{ command: "bulkhead mv disk.img:/etc/fstab disk.img:/etc/fstab.old", does: "Rename a file." }],
    load: () => import("./mv.js"),
  },
  {
    name: "ln",
    section: 1,
    summary: "link files in an image",
    arguments: [
      { name: "TARGET", kind: "image-path" },
      { name: "IMAGE:/LINK", kind: "image-path" },
    ],
    options: [
      { name: "symbolic", short: "s", description: "Make a symbolic link; TARGET is its text, as it is." },
      owner,
      ...changeOptions,
    ],
    description: [
      "Gives a file in an image another name, or makes a symbolic link. TARGET is IMAGE:/PATH in the same image; with -s it is what the link says. If LINK is a directory, the link goes into it.",
      changeParagraph,
      changedPathParagraph,
    ],
    examples: [
      { command: "bulkhead ln -s ../usr/lib disk.img:/lib", does: "Make a symbolic link." },
      { command: "bulkhead ln disk.img:/bin/gzip disk.img:/bin/gunzip", does: "Give a file a second name." },
    ],
    load: () => import("./ln.js"),
  },
  {
    name: "chmod",
    section: 1,
    summary: "change permissions of files in an image",
    arguments: [
      { name: "MODE", kind: "command" },
      { ...imageArgument, repeatable: true },
    ],
    options: [...changeOptions],
    description: [
      "Sets permission, set-id and sticky bits of files in an image. MODE is octal.",
      changeParagraph,
      changedPathParagraph,
    ],
    examples: [{ command: "bulkhead chmod 4755 disk.img:/bin/su", does: "Make a program run as its owner." }],
    load: () => import("./chmod.js"),
  },
  {
    name: "truncate",
    section: 1,
    summary: "set the size of files in an image",
    arguments: [{ ...imageArgument, repeatable: true }],
    options: [
      { name: "size", short: "s", value: "BYTES", description: "The size (K, M, G: KiB, MiB, GiB); needed." },
      { name: "no-create", short: "c", description: "Pass over files that are not there, as truncate(1) does." },
      owner,
      ...changeOptions,
    ],
    description: [
      "Makes files in an image as long as --size says: what is behind is lost, and what they grow by reads as zeros and takes no space. Files that are not there are made.",
      changeParagraph,
      changedPathParagraph,
    ],
    examples: [{ command: "bulkhead truncate -s 1G disk.img:/srv/vm.raw", does: "Make a sparse file." }],
    load: () => import("./truncate.js"),
  },
  installService,
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
