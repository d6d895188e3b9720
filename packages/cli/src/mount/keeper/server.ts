import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { close, LinuxError, openProcess, Poll, PollSet, SocketType, signalProcess, socketpair } from "@bulkhead/linux";
import {
  HelperExit,
  type HelperOptions,
  type HelperResult,
  runHelper,
  type StartedServer,
} from "@bulkhead/service/helper";
import type { WaitingServer } from "./launch.js";
import { ThreadQuestions } from "./thread-questions.js";

/** How a server ended. */
export interface End {
  /** What it died of; undefined: in order. */
  readonly why: string | undefined;
  /** Whether it is certain that it is gone: no other may begin while it could still write. */
  readonly isCertain: boolean;
}

/**
 * One server's life, as the keeper sees it from outside: it comes to be with a socket, asks the helper for what it needs, is mounted, and
 * ends with its mount.
 */
export interface Server {
  /** What came of its conversation with the helper. */
  readonly result: HelperResult;
  /** What the helper, and whoever was to start the server, had to say. */
  readonly notes: readonly string[];
  readonly line: ThreadQuestions;
  /** Resolves when it has ended, and all was heard that it had to say. */
  readonly ended: Promise<End>;
  /** Why it did not, or does not, serve, as far as that is to be known here; complete when `ended`. */
  readonly reason: string | undefined;
  /** Ends it, if this process may. */
  kill(): void;
}

/** Where the words of a service's servers go. */
const IN_THE_JOURNAL = "the system log may say why: journalctl -u 'bulkhead@*'";
/** Milliseconds that a process may take to end when its line has, and when it is killed; a service's wait for the journal. */
const LAST_BREATH = 5_000;
const LOOK = 10;

/** What a conversation is about, whoever the server is. */
export type Conversation = Omit<HelperOptions, "server" | "socketDirectory" | "keeper" | "log" | "extensions"> & {
  /** Descriptor of the memory that outlives servers. */
  readonly memory: number | undefined;
};

/** Has the conversation of a mount with a server, wherever it comes from; blocks this thread meanwhile. */
export function speakWith(waiting: WaitingServer, about: Conversation): Promise<Server> {
  return "launched" in waiting ? speakWithLaunched(waiting, about) : speakWithService(waiting.socket, about);
}

async function speakWithLaunched(
  { launched, lines }: Extract<WaitingServer, { launched: unknown }>,
  conversation: Conversation,
): Promise<Server> {
  const { line, result, notes } = await converse(conversation, launched);
  const ended = launched.ended.then(async (code): Promise<End> => {
    await lines.ended;
    const how = ending(lines.wasKilled ? 128 + constants.signals.SIGKILL : code);
    return { why: code === 0 ? undefined : (lines.reason ?? `the server ended (${how})`), isCertain: true };
  });
  const serves = result.exitCode === HelperExit.MOUNTED;
  if (!serves) await lines.ended;
  const unstarted = launched.failure ?? (lines.firstWord && `cannot start the server: ${lines.firstWord}`);
  return {
    result,
    notes: serves || unstarted === undefined ? notes : [...notes, unstarted],
    line,
    ended,
    get reason() {
      return lines.reason;
    },
    kill: () => launched.kill(),
  };
}

async function speakWithService(socket: number, conversation: Conversation): Promise<Server> {
  let process = new OtherProcess(undefined);
  const answered = (pid: number | undefined) => {
    process = new OtherProcess(pid);
  };
  const { line, result, notes } = await converse({ ...conversation, answered }, { socket, kill() {} });
  const serves = result.exitCode === HelperExit.MOUNTED;
  // One that serves, and has no line to be heard of by, is not ours to end.
  if (serves && !result.isKept) process.close();
  const ended = line.closed.then(async (): Promise<End> => {
    const gone = process.gone().finally(() => process.close());
    // It has given the source back; that the process lingers, for the journal's sake, is no reason to wait.
    if (line.hasEnded) return { why: undefined, isCertain: true };
    return (await gone)
      ? { why: `the server ended (${IN_THE_JOURNAL})`, isCertain: true }
      : { why: "the server cannot be reached, and cannot be killed", isCertain: false };
  });
  const kill = () => process.kill();
  if (!serves) kill();
  // One that says no goodbye has died, and may be followed by another.
  const refused = result.goodbye !== undefined && result.goodbye !== 0;
  const why = serves ? undefined : [...notes, IN_THE_JOURNAL].join("; ");
  return { result, notes: why === undefined ? notes : [why], line, ended, reason: refused ? why : undefined, kill };
}

async function converse(
  { memory, ...conversation }: Conversation,
  server: StartedServer,
): Promise<Pick<Server, "line" | "result" | "notes">> {
  const notes: string[] = [];
  const [ours, theirs] = socketpair(SocketType.STREAM);
  let result: HelperResult;
  try {
    result = await runHelper({
      ...conversation,
      server,
      extensions: true,
      keeper: { line: theirs, memory },
      log: (note) => notes.push(note),
    });
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    // Otherwise the line would not end with the server.
    close(theirs);
  }
  return { line: new ThreadQuestions(ours, result.serverPid), result, notes };
}

/** A process that is not our child. */
class OtherProcess {
  /** Its descriptor; −1: there is none, or none any more. */
  #fd = -1;

  constructor(pid: number | undefined) {
    try {
      if (pid !== undefined) this.#fd = openProcess(pid);
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error; // it ended
    }
  }

  kill(): void {
    if (this.#fd >= 0) signalProcess(this.#fd, constants.signals.SIGKILL);
  }

  /** Waits until it has ended, and kills it if it does not. Whether it has. */
  async gone(): Promise<boolean> {
    if (await this.#ends()) return true;
    this.kill();
    return this.#ends();
  }

  async #ends(): Promise<boolean> {
    if (this.#fd < 0) return true;
    const ready = new PollSet(1);
    ready.set(0, this.#fd, Poll.IN);
    for (let waited = 0; ready.poll(0) <= 0; waited += LOOK) {
      if (waited > LAST_BREATH) return false;
      await sleep(LOOK);
    }
    return true;
  }

  close(): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }
}

function ending(code: number): string {
  return code > 128 ? `signal ${code - 128}` : `exit code ${code}`;
}
