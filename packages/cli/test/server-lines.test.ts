/** What a contained server says to its keeper, which does not trust it. */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { ServerLines } from "../src/mount/keeper/server-lines.js";

async function heard(...pieces: string[]): Promise<{ readonly log: string[]; readonly lines: ServerLines }> {
  const log: string[] = [];
  const lines = new ServerLines(Readable.from(pieces.map((piece) => Buffer.from(piece))), (line) => log.push(line));
  await lines.ended;
  return { log, lines };
}

describe("a server's lines", () => {
  it("go to the log without their priority, and the last word is why it ended", async () => {
    const { log, lines } = await heard("<4>on", "e\n<4>two\nplain\n<2>be", "cause");
    assert.deepEqual(log, ["one", "two", "plain"]);
    assert.deepEqual([lines.reason, lines.firstWord], ["because", "plain"]);
  });

  it("begin with a word where it is Node that cannot start", async () => {
    const { lines } = await heard("\n#\n# Fatal process OOM in Failed to reserve virtual memory\n#\n\n");
    assert.equal(lines.firstWord, "# Fatal process OOM in Failed to reserve virtual memory");
  });

  it("begin with the error where Node ends with one", async () => {
    const { lines } = await heard(
      "node:internal/modules/cjs/loader:1210\n  throw err;\n  ^\n\nError: Cannot find module '/a.js'\n    at x\n",
    );
    assert.equal(lines.firstWord, "Error: Cannot find module '/a.js'");
  });

  it("say that it was killed where that is all that unshare has to say of it", async () => {
    const { log, lines } = await heard("<4>one\nunshare: sigprocmask unblock failed: Invalid argument\n");
    assert.deepEqual([log, lines.wasKilled, lines.firstWord], [["one"], true, undefined]);
  });

  it("are a thousand a minute at most, and the last one says so", async () => {
    const { log } = await heard("<4>x\n".repeat(3_000));
    assert.equal(log.length, 1_000);
    assert.equal(log.at(-1), "x (further lines of this minute are left out)");
  });

  it("fill no disk, however long they are", async () => {
    for (const flood of [`<4>${"x".repeat(60_000)}\n`, "x".repeat(60_000)]) {
      const { log } = await heard(...new Array<string>(1_000).fill(flood));
      const characters = log.reduce((sum, line) => sum + line.length, 0);
      assert.ok(characters < 300_000, `${characters} characters`);
      assert.ok(log.length > 50, `${log.length} lines`);
    }
  });
});
