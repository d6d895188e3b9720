/** What a server that was taken over may say to its helper. */
import { errnoName, MessageFlag, Poll, PollSet, recv, sendMessage } from "@bulkhead/linux";
import { decode, encode, magicAt, packets } from "@bulkhead/service";

export interface HostileWords {
  readonly name: string;
  readonly packet: Uint8Array;
  readonly descriptors?: readonly number[];
  /** How often it is said. Default once. */
  readonly times?: number;
  /** What comes of it: an errno of the helper's, or of sending; or that the helper hangs up, and ends the server. */
  readonly answer: string;
}

const HANGS_UP = "hangs up";
const text = (value: string) => new TextEncoder().encode(value);
const none = { createMode: 0, requestFlags: 0, blockSize: 0 };
const O_RDWR = 2;
const O_CREAT_TRUNC = 0o1102;
/** Milliseconds for an answer. */
const PATIENCE = 5_000;

function answerOn(socket: number): string {
  const ready = new PollSet(1);
  ready.set(0, socket, Poll.IN);
  if (ready.poll(PATIENCE) <= 0) return "nothing";
  const bytes = new Uint8Array(65_536);
  const length = recv(socket, bytes, 0, bytes.length, MessageFlag.DONTWAIT);
  if (length <= 0) return HANGS_UP;
  const packet = bytes.subarray(0, length);
  const row = magicAt(packet) === packets.FILE.magic ? packets.FILE : packets.REPLY;
  return errnoName(decode(row, packet)?.values.error ?? 0);
}

/** Says it, and gives what comes of it. */
export function say(socket: number, { packet, descriptors = [], times = 1 }: HostileWords): string {
  let answer = "";
  for (let i = 0; i < times && answer !== HANGS_UP; i++) {
    const sent = sendMessage(socket, packet, descriptors, MessageFlag.EOR);
    answer = sent < 0 ? errnoName(sent) : answerOn(socket);
  }
  return answer;
}

/** Answered, and the conversation goes on: said one after another. */
export const refused: readonly HostileWords[] = [
  {
    name: "asks for a file that the caller has not named",
    packet: encode(packets.OPEN, { openFlags: 0, ...none }, text("/etc/shadow")),
    answer: "EACCES",
  },
  {
    name: "asks for the memory of a process",
    packet: encode(packets.OPEN, { openFlags: O_RDWR, ...none }, text("/proc/self/mem")),
    answer: "EACCES",
  },
  {
    name: "asks for a device",
    packet: encode(packets.OPEN_BLOCK_DEVICE, { openFlags: O_RDWR, ...none }, text("/dev/loop0")),
    answer: "EACCES",
  },
  {
    name: "has a file made",
    packet: encode(packets.OPEN, { openFlags: O_CREAT_TRUNC, ...none }, text("/tmp/bulkhead-escape")),
    answer: "EINVAL",
  },
  {
    name: "leaves a text open",
    packet: encode(packets.SOURCE, {}, text("image")).subarray(0, -1),
    answer: "EINVAL",
  },
  {
    name: "mounts elsewhere",
    packet: encode(packets.MOUNT_POINT, { expectedFormat: 0 }, text("/etc")),
    answer: "EINVAL",
  },
  {
    name: "mounts without a file system",
    packet: encode(packets.MOUNT, { msFlags: 0 }),
    answer: "EINVAL",
  },
  {
    name: "passes an option of its own",
    packet: encode(packets.OPTIONS, {}, text("fd=0,user_id=0")),
    answer: "EINVAL",
  },
  {
    name: "lets everybody in",
    packet: encode(packets.OPTIONS, {}, text("allow_other")),
    answer: "EPERM",
  },
  {
    name: "says that its files are programs which others may run",
    packet: encode(packets.OPTIONS, {}, text("context=system_u:object_r:bin_t:s0")),
    answer: "EINVAL",
  },
  {
    name: "pretends to be another device",
    packet: encode(packets.SOURCE, {}, text("/dev/watchdog")),
    answer: "EACCES",
  },
];

/** Ends the conversation, and the server. */
export const ending: readonly HostileWords[] = [
  { name: "names a command that is none", packet: text("EVIL"), answer: HANGS_UP },
  { name: "says too little", packet: text("OPE"), answer: HANGS_UP },
  {
    name: "talks without end",
    packet: encode(packets.OPEN, { openFlags: 0, ...none }, text("/etc/shadow")),
    times: 40_000,
    answer: HANGS_UP,
  },
];
