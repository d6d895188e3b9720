/** Steps in any order, on files that grow and shrink: what no sequence that was thought of has. */
import type { Actor } from "./actor.js";
import { OPERATIONS, type Operation, SYNCS } from "./sequences.js";

const PATHS = ["A/foo", "B/bar", "A/x1", "A/x2", "B/x3", "A/sub/x4"] as const;
/** Bytes, and blocks of a range at most. */
const LONGEST = 30_000;
const FARTHEST = 40_000;
const RANGE = 20;
const BLOCK = 1024;

/** @param random [0, 1) */
export function stepsAtRandom(count: number, random: () => number): Operation {
  return {
    name: `${count} steps at random`,
    act: (actor) => {
      for (let n = 0; n < count; n++) step(actor, random);
    },
  };
}

function step(actor: Actor, random: () => number): void {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const kind = random();
  if (kind < 0.5) pick(OPERATIONS).act(actor);
  else if (kind < 0.85) change(actor, pick(PATHS), random);
  else pick(SYNCS).act(actor);
}

function change(actor: Actor, path: string, random: () => number): void {
  const below = (limit: number) => Math.floor(random() * limit);
  const kind = random();
  if (!actor.has(path)) actor.create(path);
  else if (kind < 0.3) actor.append(path, below(LONGEST));
  else if (kind < 0.5) actor.truncate(path, below(LONGEST));
  else if (kind < 0.7) actor.unlink(path);
  else if (kind < 0.85) actor.write(path, below(FARTHEST), 1 + below(LONGEST));
  else actor.punch(path, below(RANGE) * BLOCK, (1 + below(RANGE)) * BLOCK);
}
