/** What tests of a whole helper need: a scratch directory, a scripted server, and its FUSE device. */
import { execFileSync } from "node:child_process";
import { chmodSync, closeSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeviceTransport, findMount, type MountInfo, unmount } from "@bulkhead/fuse";
import { Session } from "@bulkhead/fuse/protocol";
import { close } from "@bulkhead/linux";
import { encode, type HelperOptions, type HelperResult, packets, runHelper } from "../../src/index.js";
import { type Heard, Peer } from "../peer.js";
import { text } from "../wire.js";

/** Why a test that mounts cannot run here, or false. */
export const cannotMount: string | false = process.getuid?.() === 0 ? false : "needs root";

export const LAST = "4c415354 0001 0000";
export const HANG_UP = "42594545 00000000";

export class HelperBench {
  readonly folder: string;
  readonly image: string;
  readonly mountPoint: string;
  readonly log: string[] = [];
  /** As users may open it. */
  readonly fuseDevice: string;
  peer = new Peer();
  killed = 0;
  #taken = false;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "service-helper-"));
    chmodSync(this.folder, 0o755);
    this.image = join(this.folder, "image");
    writeFileSync(this.image, new Uint8Array(1 << 20));
    this.mountPoint = join(this.folder, "mount");
    mkdirSync(this.mountPoint);
    this.fuseDevice = join(this.folder, "fuse");
    if (cannotMount === false) execFileSync("mknod", ["-m", "666", this.fuseDevice, "c", "10", "229"]);
  }

  /** Runs the helper against what `peer` said. */
  run(options: Partial<HelperOptions> = {}): Promise<HelperResult> {
    if (options.server === undefined) this.#taken = true;
    return runHelper({
      arguments: [this.image, this.mountPoint, "-t", "fuse.x"],
      server: {
        socket: this.peer.other,
        kill: () => {
          this.killed++;
        },
      },
      configuration: "/nonexistent",
      fuseDevice: this.fuseDevice,
      log: (line) => void this.log.push(line),
      ...options,
    });
  }

  get mounted(): MountInfo | undefined {
    return findMount(this.mountPoint);
  }

  /** What a server says to mount here. */
  mountCommands(msFlags = 0, ...options: string[]): Uint8Array[] {
    return [
      encode(packets.FSOPEN, { flags: 0 }),
      encode(packets.SOURCE, {}, text("source")),
      encode(packets.MOUNT_POINT, { expectedFormat: 0x4000 }, text(this.mountPoint)),
      ...options.map((list) => encode(packets.OPTIONS, {}, text(list))),
      encode(packets.MOUNT, { msFlags }),
    ];
  }

  open(path: string, flags: number, requestFlags = 0, blockSize?: number): Uint8Array {
    const row = blockSize === undefined ? packets.OPEN : packets.OPEN_BLOCK_DEVICE;
    return encode(row, { openFlags: flags, createMode: 0, requestFlags, blockSize: blockSize ?? 0 }, text(path));
  }

  newPeer(): Peer {
    this.#leave();
    this.peer = new Peer();
    return this.peer;
  }

  #leave(): void {
    this.peer.leave();
    if (!this.#taken) close(this.peer.other);
    this.#taken = false;
  }

  clear(): void {
    this.#leave();
    while (this.mounted !== undefined) unmount(this.mountPoint, { lazy: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The errors in replies and file replies. */
export function errors(heard: readonly Heard[]): number[] {
  return heard.map(({ hex }) => Number.parseInt(hex.slice(8, 16), 16));
}

/** Closes the descriptors that came along. */
export function drop(heard: readonly Heard[]): readonly Heard[] {
  for (const { descriptors } of heard) for (const fd of descriptors) closeSync(fd);
  return heard;
}

/** Answers INIT on a FUSE device, as a server does that can do nothing else. */
export function answerInit(fuse: number): void {
  const session = new Session({});
  const transport = new DeviceTransport(fuse);
  const request = new Uint8Array(session.requestCapacity);
  const length = transport.read(request);
  if (length < 0) throw new Error(`no request: ${length}`);
  transport.write(session.reply, session.handle(request, length));
}

/** A descriptor that came with a packet. */
export function descriptorOf(heard: readonly Heard[], index: number): number {
  const fd = heard[index]?.descriptors[0];
  if (fd === undefined) throw new Error(`packet ${index} carries no descriptor`);
  return fd;
}

/** The mount's line in mountinfo. */
export function lineOf(mountPoint: string): string {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.find((line) => line.split(" ")[4] === mountPoint) ?? "";
}
