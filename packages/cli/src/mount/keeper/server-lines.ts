import type { Readable } from "node:stream";
import type { Log } from "../log.js";

/** What a contained server says: lines with a priority in front, as service managers take them. The server is not trusted. */
export class ServerLines {
  /** Resolves when all of it has been read. */
  readonly ended: Promise<void>;
  #reason: string | undefined;

  constructor(stream: Readable, log: Log) {
    let rest = "";
    const take = (line: string) => {
      const [, priority, text = line] = /^<([0-7])>(.*)$/.exec(line) ?? [];
      if (Number(priority) <= CRITICAL) this.#reason = text.replaceAll("\\n", "\n");
      else log(text);
    };
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) take(line);
      // A line that never ends is many.
      if (rest.length > LONGEST_LINE) {
        take(rest);
        rest = "";
      }
    });
    this.ended = new Promise((resolve) => {
      stream.on("close", () => {
        if (rest !== "") take(rest);
        resolve();
      });
    });
  }

  /** Why it ended, in its own words; complete when `ended`. */
  get reason(): string | undefined {
    return this.#reason;
  }
}

/** syslog(3)'s LOG_CRIT: nothing comes after it. */
const CRITICAL = 2;
const LONGEST_LINE = 65_536;
