import { flag, type MountOption } from "../mount-option.js";

/** Who may do what. */
export const accessOptions: readonly MountOption[] = [
  flag(
    "allow_other",
    { allowOther: true },
    "Let other users in as well as the one who mounts. Needs user_allow_other in /etc/fuse.conf unless root mounts.",
  ),
  flag(
    "default_permissions",
    { defaultPermissions: true },
    "Let the kernel check permissions by mode, owner and ACL, as on any other file system. Always on with allow_other; without, only who mounts gets in, root too.",
  ),
  flag(
    "grpid",
    { directoryGroups: true },
    "New files and directories get the group of the directory that they are made in. nogrpid: that of who makes them, unless the directory has the set-group-ID bit. Default: what the superblock says.",
    ["bsdgroups"],
  ),
  flag("nogrpid", { directoryGroups: false }, "See grpid.", ["sysvgroups"]),
  flag("debug", { debug: true }, "Log a line for each request."),
  flag(
    "nosuid",
    { noSuid: true },
    "Ignore set-user-id bits and file capabilities. The default; suid turns it off and needs root.",
  ),
  flag("suid", { noSuid: false }, "Honour set-user-id bits."),
  flag("nodev", { noDev: true }, "Make device files unusable. The default; dev turns it off and needs root."),
  flag("dev", { noDev: false }, "Make device files usable."),
  flag("noexec", { noExec: true }, "Refuse to run programs."),
  flag("exec", { noExec: false }, "Allow programs to be run. The default."),
  flag(
    "nosymfollow",
    { noSymFollow: true },
    "Follow no symbolic links: what opens a path that has one gets ELOOP. Takes root, and Linux 5.14.",
  ),
  flag("symfollow", { noSymFollow: false }, "Follow symbolic links. The default."),
];
