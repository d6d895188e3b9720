import { SOCKET_DIRECTORY } from "../helper/command.js";
import type { ProgramFiles } from "./program-files.js";
import type { DirectiveGroup, UnitFile } from "./unit-file.js";
import { plainPath } from "./unit-file.js";

/** What differs from one installation to the next. */
export interface Installation {
  /** Node, as it will be found when the service runs. */
  readonly node: string;
  /** For every profile. */
  readonly nodeOptions: readonly string[];
  /** The server: a program that understands socket activation. */
  readonly program: string;
  /** Its files. */
  readonly files: ProgramFiles;
  /** All that its environment is to hold. */
  readonly environment: Readonly<Record<string, string>>;
  /** No memory that is written becomes executable: node runs without its compiler, slower. */
  readonly paranoid: boolean;
  /** Where the sockets are; default `/run/filesystems`. */
  readonly socketDirectory?: string;
  /** The group that may mount besides root. */
  readonly group?: string;
}

/** Types of file systems that the service serves, each with its socket. Behind the first, no other product answers. */
export const SERVICE_TYPES = ["bulkhead", "ext4", "ext3", "ext2"] as const;

export const SOCKET_UNIT = "bulkhead.socket";
export const SERVICE_UNIT = "bulkhead@.service";

/** The root directory of all servers: on /run, and nothing in it but empty directories to mount on. */
const ROOT = "/run/bulkhead";

/** The socket, which starts a server for each mount. */
export function socketUnit({ socketDirectory = SOCKET_DIRECTORY, group }: Installation): UnitFile {
  return {
    name: SOCKET_UNIT,
    sections: {
      Unit: [
        {
          directives: [
            ["Description", "Mounts of ext4 file systems behind a wall"],
            ["Documentation", "man:bulkhead-install-service(8)"],
          ],
        },
        {
          why: "Lines of fstab may need it (x-systemd.requires=bulkhead.socket): before local file systems are there.",
          directives: [
            ["DefaultDependencies", "no"],
            ["Conflicts", "shutdown.target"],
            ["Before", "sockets.target shutdown.target"],
          ],
        },
        { why: "It listens at the same places.", directives: [["Conflicts", "fuse4fs.socket"]] },
      ],
      Socket: [
        {
          directives: [
            ["ListenSequentialPacket", ...SERVICE_TYPES.map((type) => `${plainPath(socketDirectory)}/${type}`)],
            ["Accept", "yes"],
            ["MaxConnections", "256"],
            ["RemoveOnStop", "yes"],
            ["ExecStartPre", `mkdir -p -m 755 ${ROOT}`],
          ],
        },
        {
          why: "Who may ask for mounts: whoever may write to the socket.",
          directives: [["SocketMode", "0660"], ...(group === undefined ? [] : [["SocketGroup", group] as const])],
        },
      ],
      Install: [{ directives: [["WantedBy", "sockets.target"]] }],
    },
  };
}

/**
 * What keeps Node from making code. Up to V8 12 WebAssembly has to be switched off besides, or there is a warning; from 13 on there is no
 * such option.
 */
export const JITLESS: readonly string[] = [
  "--jitless",
  ...(Number.parseInt(process.versions.v8, 10) < 13 ? ["--no-expose-wasm"] : []),
];

/** The server of one mount. */
export function serviceUnit({ node, nodeOptions, program, files, environment, paranoid }: Installation): UnitFile {
  const options = [...(paranoid ? JITLESS : []), ...nodeOptions].join(" ");
  return {
    name: SERVICE_UNIT,
    sections: {
      Unit: [
        {
          directives: [
            ["Description", "Server of a mounted ext4 file system"],
            ["Documentation", "man:bulkhead-install-service(8)"],
          ],
        },
        {
          why: "At shutdown it has to be there until its mount is gone, and then ends by itself. (Slice= below is part of that.)",
          directives: [["DefaultDependencies", "no"]],
        },
        { why: "Failed ones do not pile up.", directives: [["CollectMode", "inactive-or-failed"]] },
      ],
      Service: [
        {
          directives: [
            ["Type", "exec"],
            ["ExecStart", `${plainPath(node)} ${options} ${plainPath(program)}`],
            ["StandardInput", "null"],
            ["StandardOutput", "journal"],
            ["StandardError", "journal"],
            // Stopped, it has its keeper unmount, and writes all that programs have written.
            ["TimeoutStopSec", "3min"],
            // A slice for the instances of a template is stopped at shutdown, with all in it; this one never is.
            ["Slice", "system.slice"],
            ["SyslogIdentifier", "bulkhead"],
            ["LogRateLimitIntervalSec", "60"],
            ["LogRateLimitBurst", "1000"],
          ],
        },
        {
          directives: [
            ["Environment", ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)],
            ["UnsetEnvironment", "NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS"],
          ],
        },
        { why: "Nobody, without rights, and no way to any.", directives: identity },
        {
          why: "Sees Node, its libraries and its own packages, and can change nothing.",
          directives: fileAccess(files),
        },
        { why: "No devices: it gets what it needs through the socket, open.", directives: devices },
        { why: "Nothing of the kernel's, nor of other processes.", directives: system },
        { why: "No network.", directives: network },
        {
          why: "Of the system calls what Node needs, and what the server needs to give up more.",
          directives: systemCalls,
        },
        ...(paranoid
          ? [
              {
                why: "No memory that was written is ever executed.",
                directives: [["MemoryDenyWriteExecute", "yes"]],
              } satisfies DirectiveGroup,
            ]
          : []),
        {
          why: "One mount's server cannot take everything. The limits are its own: memory is given back when it ends.",
          directives: limits,
        },
      ],
    },
  };
}

type Directives = DirectiveGroup["directives"];

const identity: Directives = [
  ["DynamicUser", "yes"],
  // One for each mount: without a name, all would have the template's. %i (COUNT-PID_ID-UID) can take 29 of 31 letters.
  ["User", "fs%i"],
  ["PrivateUsers", "yes"],
  ["NoNewPrivileges", "yes"],
  ["CapabilityBoundingSet"],
  ["AmbientCapabilities"],
  ["SecureBits", "noroot noroot-locked no-setuid-fixup no-setuid-fixup-locked keep-caps-locked"],
  ["RestrictSUIDSGID", "yes"],
  ["KeyringMode", "private"],
  ["UMask", "7777"],
];

function fileAccess({ visible, executable }: ProgramFiles): Directives {
  return [
    // Empty: no /home, no /tmp to protect. Paths with + are paths in it.
    ["RootDirectory", ROOT],
    ["MountAPIVFS", "yes"],
    ["BindReadOnlyPaths", ...visible.map(({ source, target }) => bind(source, target))],
    ["NoExecPaths", "+/"],
    ["ExecPaths", executable.map((path) => `+${plainPath(path)}`).join(" ")],
    ["ProtectSystem", "strict"],
    ["PrivateMounts", "yes"],
    // DynamicUser= brings a /tmp that can be written to. Not inaccessible: the product itself may be in there.
    ["ReadOnlyPaths", "-+/tmp -+/var/tmp"],
    // There is room for files in the first two.
    ["InaccessiblePaths", "+/dev/shm +/dev/mqueue +/sys"],
  ];
}

function bind(source: string, target: string): string {
  return source === target ? plainPath(source) : `${plainPath(source)}:${plainPath(target)}`;
}

const devices: Directives = [
  ["PrivateDevices", "yes"],
  ["DevicePolicy", "closed"],
];

const system: Directives = [
  ["ProtectProc", "invisible"],
  ["ProcSubset", "pid"],
  ["ProtectClock", "yes"],
  ["ProtectHostname", "yes"],
  ["ProtectControlGroups", "yes"],
  ["ProtectKernelLogs", "yes"],
  ["ProtectKernelModules", "yes"],
  ["ProtectKernelTunables", "yes"],
  ["PrivateIPC", "yes"],
  ["RemoveIPC", "yes"],
];

const network: Directives = [
  ["PrivateNetwork", "yes"],
  ["RestrictAddressFamilies", "none"],
  ["IPAddressDeny", "any"],
];

const systemCalls: Directives = [
  ["SystemCallArchitectures", "native"],
  [
    "SystemCallFilter",
    "@system-service",
    "~@privileged @resources @clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @swap",
    "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
    "sched_setaffinity sched_setscheduler",
  ],
  ["SystemCallErrorNumber", "EPERM"],
  ["RestrictNamespaces", "yes"],
  ["RestrictRealtime", "yes"],
  ["LockPersonality", "yes"],
];

const limits: Directives = [
  ["MemoryMax", "1G"],
  ["MemorySwapMax", "0"],
  ["TasksMax", "64"],
  ["LimitNOFILE", "256"],
  ["LimitMEMLOCK", "0"],
  ["LimitCORE", "0"],
  // With it go what programs have written and not synced; −1000 would have nothing left to end when MemoryMax is reached.
  ["OOMScoreAdjust", "-900"],
];
