/** Plays a sequence of operations on a subject and on the model at the same time. */
import { errorCode } from "../system/calls.js";
import { type Action, Draw, type Operation, type Plan } from "./action.js";
import { checkAll, checkNode } from "./check.js";
import type { Model } from "./model.js";
import { attributePlans } from "./plans/attributes.js";
import { dataPlans } from "./plans/data.js";
import { handlePlans } from "./plans/handles.js";
import { namespacePlans } from "./plans/namespace.js";
import type { Subject } from "./subject.js";
import type { ModelVariant } from "./variants.js";

export const PLANS: Readonly<Record<string, Plan>> = {
  ...namespacePlans,
  ...dataPlans,
  ...handlePlans,
  ...attributePlans,
};

/** Operations after which everything is compared. */
const CHECK_INTERVAL = 400;
/** Actions that a failure shows, the last ones. */
const SHOWN = 40;
const NO_ROOM: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);
/** What a directory that can hold no more, or an attribute without a place, is refused with besides. */
const NO_PLACE: ReadonlySet<string> = new Set(["ENOSPC", "E2BIG", "ERANGE"]);

/** A difference between subject and model, with what led to it. */
export class PlayError extends Error {
  /** Number of the operation in the sequence. */
  readonly at: number;
  constructor(at: number, trace: readonly string[], cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`operation ${at}: ${why}\n${trace.slice(-SHOWN).join("\n")}`, { cause });
    this.at = at;
  }
}

/** How often operations of each kind were refused for lack of room. */
export type Refusals = Map<string, number>;

export class Player {
  readonly model: Model;
  readonly refusals: Refusals = new Map();
  readonly #variant: ModelVariant;
  readonly #trace: string[] = [];
  #played = 0;

  constructor(model: Model, variant: ModelVariant) {
    this.model = model;
    this.#variant = variant;
  }

  /** @throws PlayError */
  play(subject: Subject, operations: readonly Operation[]): void {
    for (const operation of operations) {
      try {
        this.#step(subject, operation);
        if (this.#played % CHECK_INTERVAL === CHECK_INTERVAL - 1) this.check(subject);
      } catch (error) {
        throw error instanceof PlayError ? error : new PlayError(this.#played, this.#trace, error);
      }
      this.#played++;
    }
  }

  /** Compares everything. @throws PlayError */
  check(subject: Subject): void {
    try {
      checkAll(subject, this.model, this.#variant.finestTime);
    } catch (error) {
      throw new PlayError(this.#played, [...this.#trace, "(everything is compared)"], error);
    }
  }

  /** What is noted in the trace besides operations. */
  note(text: string): void {
    this.#trace.push(`        ${text}`);
  }

  #step(subject: Subject, { kind, seed }: Operation): void {
    const plan = PLANS[kind];
    if (plan === undefined) throw new Error(`there is no operation ${kind}`);
    const action = plan(new Draw(this.model, this.#variant, subject, seed));
    if (action === undefined) return;
    this.#trace.push(`${String(this.#played).padStart(6)}  ${action.text}`);
    const failure = this.#perform(subject, action);
    if (failure !== undefined) {
      this.#trace.push(`        ${failure}`);
      if (failure === action.fails) action.failed?.();
      else {
        this.refusals.set(kind, (this.refusals.get(kind) ?? 0) + 1);
        action.refused?.(subject);
      }
    }
    for (const node of action.touches) checkNode(subject, this.model, node, this.#variant.finestTime);
  }

  /** The errno's name of a call that was refused as it should or may be. */
  #perform(subject: Subject, action: Action): string | undefined {
    let result: unknown;
    try {
      result = action.perform(subject);
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined) throw error;
      if (code === action.fails || this.#mayRefuse(action, code)) return code;
      throw new Error(`${code}, although it should ${action.fails ?? "succeed"}`, { cause: error });
    }
    if (action.fails !== undefined) throw new Error(`succeeds, although it should be ${action.fails}`);
    action.done?.(result);
    return undefined;
  }

  #mayRefuse(action: Action, code: string): boolean {
    if (action.allocates !== true) return false;
    if (action.cramped === true && NO_PLACE.has(code)) return true;
    return !this.#variant.roomy && NO_ROOM.has(code);
  }
}
