/**
 * The contained server's own program, taken over: `taken-over.js attempt GROUP NAME`, `say NAME`, `spin`, `deaf` or `mute`. What
 * opens the file system is replaced by the attack, so that it runs where a parser that an image has taken over would: after lock-down,
 * with the device, and the helper on the line. How it goes is on standard error.
 */
import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type BlockDevice, FileSystem } from "@bulkhead/ext4";
import { ServingLoop } from "@bulkhead/fuse";
import { fstat } from "@bulkhead/linux";
import { serverProgram } from "@bulkhead/server/contained";
import { outcomeOf, type Surroundings } from "./attempt.js";
import { groups } from "./attempts/index.js";
import { ending, refused, say } from "./hostile-words.js";

/** Where a launcher puts the connection to the helper. */
const SOCKET = 3;
const STANDARD_ERROR = 2;
const [attack, ...words] = process.argv.slice(2);
const report = (text: string) => void writeSync(STANDARD_ERROR, `attack: ${text}\n`);

function attempt(device: BlockDevice): void {
  const [group, name] = words;
  const found = groups.find((it) => it.name === group)?.attempts.find((it) => it.name === name);
  const image = device.file?.fd ?? -1;
  const surroundings: Surroundings = {
    image,
    imageSize: fstat(image).size,
    socket: SOCKET,
    otherSocket: STANDARD_ERROR,
    directory: -1,
    scratch: "/tmp",
    victim: 1,
    address: 0,
    namespace: -1,
    program: new Uint8Array(64),
  };
  report(found === undefined ? "there is no such attempt" : outcomeOf(found.run(surroundings)));
}

const { mount } = FileSystem;
FileSystem.mount = (device, ...rest) => {
  if (attack === "attempt") attempt(device);
  else if (attack === "say") {
    for (const hostile of [...refused, ...ending]) {
      if (words.includes(hostile.name)) report(`${hostile.name}: ${say(SOCKET, hostile)}`);
    }
  } else if (attack === "spin") for (;;);
  else if (attack === "deaf" || attack === "mute") return mount.call(FileSystem, device, ...rest);
  throw new Error("taken over");
};
if (attack === "deaf") {
  ServingLoop.prototype.run = () => {
    report("deaf");
    for (;;);
  };
}
await import(pathToFileURL(serverProgram()).href);
