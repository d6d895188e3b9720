/**
 * A server without walls, for one life of a mount: `bare-keeper.ts` starts it, again and again, with the descriptors that it needs. It
 * can be told to die at a place in a request that a signal from outside hardly ever hits.
 */
import { DeviceTransport, Notifier, ServingLoop, Session, Timers, type Transport } from "@bulkhead/fuse";
import { FuseInHeader } from "@bulkhead/fuse/protocol";
import { createFileSystem } from "@bulkhead/server/file-system";
import { Survival } from "@bulkhead/server/survival";

/** What the server is told in its argument. */
export interface Life {
  readonly image: string;
  /** Options for the engine. */
  readonly engine?: Record<string, unknown>;
  readonly serving?: Record<string, unknown>;
  /** Where each server dies, one after the other: before it handles an operation, or when that is done and kept but not answered. */
  readonly deaths?: readonly Death[];
}

export interface Death {
  readonly opcode: number;
  readonly when: "before" | "unanswered";
}

/** Descriptors that it is started with. */
export const Descriptor = { fuse: 3, image: 4, memory: 5 } as const;

/** Dies where it is told to: the answer to the operation is never sent. */
class MortalTransport implements Transport {
  readonly fd: number;
  readonly #base: Transport;
  readonly #die: Death;
  #due = false;

  constructor(base: Transport, die: Death) {
    this.fd = base.fd;
    this.#base = base;
    this.#die = die;
  }

  read(buffer: Uint8Array): number {
    const length = this.#base.read(buffer);
    const view = new DataView(buffer.buffer, buffer.byteOffset);
    this.#due = length > 0 && view.getUint32(FuseInHeader.offset.opcode, true) === this.#die.opcode;
    if (this.#due && this.#die.when === "before") process.kill(process.pid, "SIGKILL");
    return length;
  }

  write(message: Uint8Array, length: number): number {
    if (this.#due) process.kill(process.pid, "SIGKILL");
    return this.#base.write(message, length);
  }

  close(): void {
    this.#base.close();
  }
}

const life = JSON.parse(process.argv[2] ?? "") as Life;
const die = life.deaths?.[Number(process.argv[3])];
const log = (text: string) => void process.stderr.write(`${text}\n`);
const survival = new Survival(Descriptor.memory);
const device = new DeviceTransport(Descriptor.fuse);
const timers = new Timers();
const notifier = new Notifier(device);
const served = createFileSystem(
  {
    source: { path: life.image, descriptor: Descriptor.image },
    claimed: true,
    journal: undefined,
    engine: { writable: true, ...life.engine },
    serving: { ...life.serving },
    discard: false,
    debug: false,
    posixAcl: false,
  },
  { timers, log, transport: () => device, notifier: () => notifier },
  { survival },
);
const session = new Session(served.handlers, { log, ...served.session });
const handling = served.handling(session);
if (survival.goesOn) {
  const failure = notifier.resend();
  if (failure !== 0) throw new Error(`asking for requests again: ${failure}`);
}
const transport = die === undefined ? device : new MortalTransport(device, die);
const { untilForgotten } = served;
new ServingLoop({ session: handling, transport, timers, untilForgotten, log }).run();
served.close?.();
