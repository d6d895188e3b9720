import { Errno } from "./errno.js";
import { orThrow } from "./error.js";
import { close } from "./file.js";
import { native } from "./libc.js";
import { struct, u64 } from "./struct.js";

/* linux/landlock.h. The numbers are the same on every architecture. */
const CREATE_RULESET = 444;
const RESTRICT_SELF = 446;
const CREATE_RULESET_VERSION = 1;
/** All threads of the process instead of the calling one. Linux 7.0 (version 8). */
const RESTRICT_SELF_TSYNC = 8;

const RulesetAttr = struct("landlock_ruleset_attr", 24, {
  handled_access_fs: u64(0),
  handled_access_net: u64(8),
  scoped: u64(16),
});

/** How many kinds of access each version of the interface knows: each adds bits above those of the one before. */
const ACCESS_FS = [0, 13, 14, 15, 15, 16];
const ACCESS_NET = [0, 0, 0, 0, 2];
const SCOPES = [0, 0, 0, 0, 0, 0, 2];

const sysCreate = native<[number, Uint8Array | null, number, number]>("syscall", "int64_t", [
  "long",
  "void *",
  "size_t",
  "uint",
]);
const sysRestrict = native<[number, number, number]>("syscall", "int64_t", ["long", "int", "uint"]);

/** The version of the kernel's landlock; 0 where there is none, or it is switched off. */
export function landlockVersion(): number {
  const version = sysCreate(CREATE_RULESET, null, 0, CREATE_RULESET_VERSION);
  if (version === -Errno.ENOSYS || version === -Errno.EOPNOTSUPP) return 0;
  return orThrow(version, "landlock_create_ruleset");
}

/** Whom {@link landlockEverything} has restricted. */
export type LandlockReach = "nobody" | "thread" | "process";

/**
 * Forbids, for good, every access to files by name, and as far as the kernel's version goes to TCP ports, abstract sockets, and
 * signals to others: open descriptors stay what they are. The whole process where the kernel can do that, else the calling
 * thread; nobody where it has no landlock. Takes `NO_NEW_PRIVS`.
 */
export function landlockEverything(version = landlockVersion()): LandlockReach {
  if (version === 0) return "nobody";
  const all = (counts: readonly number[]) => 2 ** (counts[Math.min(version, counts.length - 1)] ?? 0) - 1;
  const attributes = new Uint8Array(RulesetAttr.size);
  RulesetAttr.write(new DataView(attributes.buffer), 0, {
    handled_access_fs: all(ACCESS_FS),
    handled_access_net: all(ACCESS_NET),
    scoped: all(SCOPES),
  });
  // What is not handled must not be there for older kernels, or be zero: it is.
  const ruleset = orThrow(
    sysCreate(CREATE_RULESET, attributes, attributes.length, 0),
    "landlock_create_ruleset",
    `version ${version}`,
  );
  try {
    const process = version >= 8;
    orThrow(sysRestrict(RESTRICT_SELF, ruleset, process ? RESTRICT_SELF_TSYNC : 0), "landlock_restrict_self");
    return process ? "process" : "thread";
  } finally {
    close(ruleset);
  }
}
