/** Serves an inherited descriptor in the main thread: the first life holds every READ back, the second answers. */

import { DeviceTransport, type Negotiated, Notifier, ServingLoop, Session } from "../../src/index.js";
import { Cell, fixtureHandlers } from "./fixture-filesystem.js";

const [life, negotiated] = process.argv.slice(2);
const state = new Int32Array(Cell.COUNT);
state[Cell.SIZE] = 4096;
state[Cell.FILL] = 0x52;
state[Cell.HOLD] = life === "hold" ? 1 : 0;
const transport = new DeviceTransport(3);
const handlers = fixtureHandlers(state);
const { READ } = handlers;
const session = new Session(
  {
    ...handlers,
    READ(context, request, window) {
      process.stdout.write(`${JSON.stringify({ read: life, again: context.uniqueHi >= 0x8000_0000 })}\n`);
      return READ?.(context, request, window) ?? 0;
    },
  },
  negotiated === undefined ? {} : { negotiated: JSON.parse(negotiated) as Negotiated },
);
if (negotiated !== undefined) process.stdout.write(`${JSON.stringify({ resend: new Notifier(transport).resend() })}\n`);
const loop = new ServingLoop({
  session,
  transport,
  onServing: () => process.stdout.write(`${JSON.stringify({ negotiated: session.negotiated })}\n`),
});
process.stdout.write(`${JSON.stringify({ end: loop.run() })}\n`);
