// What the paranoid profile of the systemd units costs: the same server, started on a socket as systemd does it, with V8's compiler and
// without, in turn. Prints medians of each and the ratio, of the clock and of the server's CPU time. Takes root.
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { serverEnvironment, serverNodeOptions } from "@bulkhead/server/contained";
import { JITLESS } from "@bulkhead/service";
import { needRoot, readOptions } from "./command-line.js";
import { checkBuilt } from "./contenders.js";
import { countOf } from "./count.js";
import { catchSignals, interruptible } from "./interruption.js";
import { median } from "./median.js";

const USAGE = `usage: node bench/dist/profiles.js [OPTIONS]
  --rounds N  how often each is measured; 5`;

const values = readOptions(USAGE, { rounds: { type: "string", default: "5" } });
const rounds = countOf("rounds", values.rounds);

const packages = new URL("../../packages/", import.meta.url);
const server = fileURLToPath(new URL("cli/dist/bundle/contained-server.js", packages));
const mountBulkhead = fileURLToPath(new URL("cli/bin/mount.bulkhead.js", packages));
const NOBODY = [
  "setpriv",
  "--reuid=65534",
  "--regid=65534",
  "--clear-groups",
  "--bounding-set=-all",
  "--inh-caps=-all",
];
const profiles = { default: [], paranoid: JITLESS } as const;
type Profile = keyof typeof profiles;

/** In this order, on one mount but where it says so; `$1` is the mount point. */
const workloads: readonly { name: string; script: string; fresh?: true }[] = [
  { name: "mount", script: "" },
  { name: "make 10,000 files", script: 'cd "$1" && seq 10000 | xargs -n 2000 touch' },
  { name: "write 512 MiB", script: 'dd if=/dev/zero of="$1/large" bs=1M count=512 conv=fsync' },
  {
    name: "write 16 MiB in random 4 KiB, synced",
    script: 'fio --name=x --directory="$1" --size=16M --rw=randwrite --bs=4k --end_fsync=1',
  },
  { name: "find and stat 10,000 files", script: 'find "$1" -size +1k -newer "$1/1"', fresh: true },
  { name: "read 512 MiB", script: 'cat "$1/large" > /dev/null', fresh: true },
  {
    name: "read 16 MiB in random 4 KiB",
    script: 'fio --name=x --directory="$1" --size=16M --rw=randread --bs=4k',
    fresh: true,
  },
  { name: "remove everything", script: 'find "$1" -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf {} +' },
];

await checkBuilt(undefined);
needRoot();
const folder = mkdtempSync(join(tmpdir(), "bulkhead-profiles-"));
const mountPoint = join(folder, "mount");
const image = join(folder, "image");
mkdirSync(mountPoint);
catchSignals();
let listener = 0;
const samples = new Map<string, Record<Profile, { wall: number; cpu: number }[]>>();
try {
  for (let round = 0; round < rounds; round++) {
    for (const profile of Object.keys(profiles) as Profile[]) await interruptible(() => oneRound(profile), cleanUp);
  }
} finally {
  cleanUp();
}

function cleanUp(): void {
  spawnSync("umount", ["-l", mountPoint], { stdio: "ignore" });
  rmSync(folder, { recursive: true, force: true });
}

const ratio = (of: Record<Profile, { wall: number; cpu: number }[]>, what: "wall" | "cpu") => {
  const middle = (profile: Profile) => median(of[profile].map((sample) => sample[what]));
  const [fast, slow] = [middle("default"), middle("paranoid")];
  return `${fast.toFixed(2).padStart(6)} s ${slow.toFixed(2).padStart(6)} s ${(slow / fast).toFixed(1).padStart(5)}x`;
};
console.log(`${"".padEnd(38)}  default paranoid        CPU of the servers`);
for (const [name, of] of samples) console.log(`${name.padEnd(38)} ${ratio(of, "wall")}   ${ratio(of, "cpu")}`);

async function oneRound(profile: Profile): Promise<void> {
  execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", image, "1G"]);
  const service = await listen(profiles[profile]);
  try {
    for (const { name, script, fresh } of workloads) {
      const isMount = script === "";
      if (fresh === true) await unmount();
      if (fresh === true) mount();
      const before = isMount ? 0 : cpuSeconds();
      const start = performance.now();
      if (isMount) mount();
      else execFileSync("sh", ["-ec", script, "sh", mountPoint], { stdio: "ignore" });
      const wall = (performance.now() - start) / 1000;
      const of = samples.get(name) ?? { default: [], paranoid: [] };
      samples.set(name, of);
      of[profile].push({ wall, cpu: cpuSeconds() - before });
    }
    await unmount();
    execFileSync("e2fsck", ["-fn", image], { stdio: "ignore" });
  } finally {
    service.kill();
  }
}

async function listen(flags: readonly string[]): Promise<ChildProcess> {
  const socket = join(folder, "bulkhead");
  rmSync(socket, { force: true });
  const environment = Object.entries(serverEnvironment).map(([name, value]) => `--setenv=${name}=${value}`);
  const activate = ["--seqpacket", "--accept", "--listen", socket, ...environment];
  const child = spawn(
    "systemd-socket-activate",
    [...activate, ...NOBODY, process.execPath, ...flags, ...serverNodeOptions, server],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  listener = child.pid ?? 0;
  // It says so when it listens; the file is there before.
  await new Promise((resolve) => child.stderr?.on("data", resolve));
  return child;
}

function mount(): void {
  const env = { ...process.env, BULKHEAD_SOCKET_DIRECTORY: folder };
  execFileSync(process.execPath, [mountBulkhead, image, mountPoint], { env, stdio: ["ignore", "ignore", "inherit"] });
}

async function unmount(): Promise<void> {
  const pid = serverPid();
  execFileSync("umount", [mountPoint]);
  for (let waited = 0; existsSync(`/proc/${pid}/exe`); waited += 20) {
    if (waited > 60_000)
      throw new Error("the server is still there 60 s after umount: does another mount namespace have its mount?");
    await sleep(20);
  }
}

/** The server's process: the only one that the listening one has started and that is still there. */
function serverPid(): number {
  const [pid = ""] = readFileSync(`/proc/${listener}/task/${listener}/children`, "latin1").trim().split(" ").slice(-1);
  if (pid === "") throw new Error("the server is gone");
  return Number(pid);
}

/** User and system time that the server has taken so far; clock ticks are hundredths of a second. */
function cpuSeconds(): number {
  const fields = readFileSync(`/proc/${serverPid()}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
