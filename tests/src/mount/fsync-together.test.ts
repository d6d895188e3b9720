// Oracle: the numbers of the journal's transactions, as dumpe2fs tells them; e2fsck. Who asks for fsync together shares commits.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { withoutMountTools } from "../facilities.js";
import { checkImage } from "../images/build.js";
import { run } from "../system/process.js";
import { ask, Bench } from "./served-mount.js";

const THREADS = 16;
const ROUNDS = 25;

/** Makes files, each synced, in many threads at a time. */
const SYNC = `
import os, sys, threading
def work(n):
    for i in range(${ROUNDS}):
        fd = os.open(f"{sys.argv[1]}/{n}-{i}", os.O_CREAT | os.O_WRONLY, 0o644)
        os.write(fd, b"x" * 5000)
        os.fsync(fd)
        os.close(fd)
threads = [threading.Thread(target=work, args=(n,)) for n in range(${THREADS})]
for thread in threads: thread.start()
for thread in threads: thread.join()
`;

function transactions(image: string): number {
  const header = run("dumpe2fs", ["-h", image]).stdout.toString("latin1");
  return Number.parseInt(/^Journal sequence:\s+(0x[0-9a-f]+)/m.exec(header)?.[1] ?? "", 16);
}

describe("fsync by many at a time", { skip: withoutMountTools() }, () => {
  let bench: Bench;

  before(() => {
    bench = new Bench();
  });
  after(() => bench.clear());

  it("takes fewer commits than there are calls, and nothing is missing", async () => {
    const image = bench.path("image");
    run("mke2fs", ["-q", "-F", "-t", "ext4", "-J", "size=4", image, "64M"]);
    const served = await bench.serve(image);
    const { code, stderr } = ask("python3", ["-c", SYNC, served.mountPoint]);
    assert.equal(code, 0, stderr);
    const count = ask("sh", ["-c", `cat "$0"/*-* | wc -c`, served.mountPoint]).stdout.trim();
    assert.equal(count, String(THREADS * ROUNDS * 5000));
    assert.equal(await served.stop(), "");
    const commits = transactions(image);
    // How many share one depends on how fast they come: on a machine with nothing else to do, it is a quarter.
    assert.ok(commits < THREADS * ROUNDS * 0.9, `${commits} commits for ${THREADS * ROUNDS} calls`);
    checkImage(image);
  });
});
