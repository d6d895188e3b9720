/** A worker that is a server by script, answers INIT, and from then on nothing: `{ fd, packets }`. */
import { parentPort, workerData } from "node:worker_threads";
import { close, Poll, PollSet, receiveMessage, sendMessage } from "@bulkhead/linux";
import { answerInit } from "./bench.js";

const { fd, packets } = workerData as { fd: number; packets: readonly Uint8Array[] };
for (const packet of packets) sendMessage(fd, packet, []);
const ready = new PollSet(1);
ready.set(0, fd, Poll.IN);
let fuse: number | undefined;
// HELLO, arguments, FUSE device, and an answer to every packet but the first.
for (let heard = 0; heard < packets.length + 2; heard++) {
  ready.poll(10_000);
  const { descriptors } = receiveMessage(fd, new Uint8Array(4096), 1);
  if (heard === 2) fuse = descriptors[0];
  else for (const other of descriptors) close(other);
}
if (fuse === undefined) throw new Error("no FUSE device came");
answerInit(fuse);
parentPort?.postMessage(fuse);
