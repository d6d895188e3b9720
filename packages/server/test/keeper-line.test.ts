// Oracle: the other end of a stream socket, as the keeper has it.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { close, read, SocketType, setNonBlocking, socketpair, write } from "@bulkhead/linux";
import { ANSWER, ENDED, KeeperLine, QUESTION, STOP } from "../src/contained/keeper-line.js";

describe("a contained server's line to its keeper", () => {
  let keeper = -1;
  let line: KeeperLine;
  let told: [tid: number, cpu: number][] = [];
  let hasGone = 0;

  beforeEach(() => {
    const [ours, theirs] = socketpair(SocketType.STREAM);
    setNonBlocking(theirs, true);
    keeper = theirs;
    told = [];
    hasGone = 0;
    line = new KeeperLine(ours, () => hasGone++);
    line.onTold((tid, cpu) => void told.push([tid, cpu]));
  });
  afterEach(() => {
    line.end();
    if (keeper >= 0) close(keeper);
  });

  /** What the keeper has been asked since. */
  function asked(): number[] {
    const bytes = new Uint8Array(1024);
    const length = Math.max(0, read(keeper, bytes, 0, bytes.length));
    const view = new DataView(bytes.buffer);
    return Array.from({ length: length / QUESTION }, (_, n) => view.getInt32(n * QUESTION, true));
  }

  function answer(tid: number, cpu: number): void {
    const bytes = new Uint8Array(ANSWER);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, tid, true);
    view.setInt32(4, cpu, true);
    assert.equal(write(keeper, bytes, 0, ANSWER), ANSWER);
  }

  it("asks, waits for nobody, and tells what comes later", () => {
    assert.equal(line.cpuOf(7), -1);
    assert.equal(line.cpuOf(7), -1);
    assert.deepEqual(asked(), [7], "one question at a time");
    answer(7, 1);
    assert.deepEqual(told, []);
    line.drain();
    assert.deepEqual(told, [[7, 1]]);
    line.cpuOf(8);
    assert.deepEqual(asked(), [8]);
  });

  it("asks again when the keeper has dropped a question", () => {
    for (let n = 0; n < 200; n++) line.cpuOf(7);
    assert.equal(asked().length, 4);
  });

  it("hears that it is to stop, and when the keeper is gone", () => {
    answer(STOP, -1);
    line.drain();
    assert.equal(line.stopped, true);
    assert.deepEqual(told, []);
    close(keeper);
    keeper = -1;
    line.drain();
    assert.equal(hasGone, 1);
    assert.equal(line.fd, -1);
    assert.equal(line.cpuOf(7), -1);
  });

  it("says that all is done", () => {
    line.end();
    assert.deepEqual(asked(), [ENDED]);
    assert.equal(line.fd, -1);
  });
});
