/**
 * A server's process in the hands of an attacker: `attacker.js GROUP ATTEMPT SCRATCH VICTIM ADDRESS locked|free`. It has what a
 * server has, locks itself down as a server does, or does not, and makes one attempt. How that ended is on standard output.
 */
import { fstatSync, openSync, readFileSync, writeSync } from "node:fs";
import { exitNow, SocketType, setCloseOnExec, socketpair } from "@bulkhead/linux";
import { lockDown } from "@bulkhead/server/lock-down";
import { outcomeOf, type Surroundings } from "./attempt.js";
import { groups } from "./attempts/index.js";

const [group, name, scratch = "", victim, address, mode] = process.argv.slice(2);
const chosen = groups.find((it) => it.name === group);
const attempt = chosen?.attempts.find((it) => it.name === name);
if (attempt === undefined) throw new Error(`there is no attempt "${name}"`);

const [socket] = socketpair(SocketType.SEQPACKET);
const [otherSocket] = socketpair(SocketType.SEQPACKET);
// For programs that are executed: Node has its standard output closed.
setCloseOnExec(1, false);
const image = openSync(`${scratch}/image`, "r+");
const surroundings: Surroundings = {
  image,
  imageSize: fstatSync(image).size,
  socket,
  otherSocket,
  directory: openSync(scratch, "r"),
  scratch,
  victim: Number(victim),
  address: Number(address),
  namespace: openSync("/proc/self/ns/net", "r"),
  program: readFileSync("/bin/echo"),
};
/** Less than the machine has. */
const MEMORY = 1024 ** 3;
if (mode === "locked") {
  const device = { fd: image, start: chosen?.start ?? 0 };
  lockDown({ socket, device, memory: MEMORY, fileSize: surroundings.imageSize });
}
const outcome = outcomeOf(attempt.run(surroundings));
writeSync(1, `${outcome}\n`);
exitNow(0);
