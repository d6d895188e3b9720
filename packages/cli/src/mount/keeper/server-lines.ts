import type { Readable } from "node:stream";
import type { Log } from "../log.js";

/** What a contained server says: lines with a priority in front, as service managers take them. The server is not trusted. */
export class ServerLines {
  /** Resolves when all of it has been read. */
  readonly ended: Promise<void>;
  readonly #log: Log;
  readonly #most: number;
  #reason: string | undefined;
  #firstWord: string | undefined;
  #uncaught: string | undefined;
  #wasKilled = false;
  #minute = 0;
  #lines = 0;

  /** @param most lines a minute that are passed on, a long one counted as many: the log is on a disk, and the server may have been taken over */
  constructor(stream: Readable, log: Log, most = MOST_LINES) {
    this.#log = log;
    this.#most = most;
    let rest = "";
    const take = (line: string) => this.#take(line);
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) take(line.slice(0, LONGEST_LINE));
      // A line that never ends is many.
      if (rest.length > LONGEST_LINE) {
        take(rest.slice(0, LONGEST_LINE));
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

  #take(line: string): void {
    if (line.startsWith(UNSHARE_OF_KILLED)) {
      this.#wasKilled = true;
      return;
    }
    const [, priority, text = line] = /^<([0-7])>(.*)$/.exec(line) ?? [];
    if (priority === undefined && /\w/.test(text)) this.#firstWord ??= text;
    if (priority === undefined && UNCAUGHT.test(text)) this.#uncaught ??= text;
    if (Number(priority) <= CRITICAL) {
      this.#reason = text.replaceAll("\\n", "\n");
      return;
    }
    const minute = Math.floor(performance.now() / 60_000);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#lines = 0;
    }
    if (this.#lines >= this.#most) return;
    this.#lines += Math.max(1, Math.ceil(text.length / USUAL_LINE));
    this.#log(this.#lines < this.#most ? text : `${text} (further lines of this minute are left out)`);
  }

  /** Why it ended, in its own words; complete when `ended`. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Whether whatever started it says that it was killed. */
  get wasKilled(): boolean {
    return this.#wasKilled;
  }

  /** The first line without a priority that has a word, or that names an error: not the server's, but that of whatever was to start it. */
  get firstWord(): string | undefined {
    return this.#uncaught ?? this.#firstWord;
  }
}

/** What Node says of an error that ends it, behind the place in the code. */
const UNCAUGHT = /^\w*Error\b[^:]*: /;
/**
 * What unshare of util-linux 2.38 says before it ends with 1, when what it started was killed: it wants to end in the same way, and may not
 * name SIGKILL to signal(2).
 */
const UNSHARE_OF_KILLED = "unshare: sigprocmask ";
/** syslog(3)'s LOG_CRIT: nothing comes after it. */
const CRITICAL = 2;
/** Characters; a server says no more in one line. */
const LONGEST_LINE = 4_096;
const USUAL_LINE = 256;
const MOST_LINES = 1_000;
