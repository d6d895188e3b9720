/** A case of the suite: a name that says how a file system behaves, and a function of a mount point that sees to it. */
import type { Facts } from "./facts.js";
import type { Subject } from "./subject.js";

/** Throws, or rejects, when the file system behaves otherwise. */
export type Run = (subject: Subject) => void | Promise<void>;

/** Which mount a case runs on: the large one, one that is nearly full, one that is read-only. */
export type Place = "main" | "full" | "read-only";

/** Something that not every file system has. */
export interface Need {
  readonly name: string;
  readonly of: (facts: Facts) => boolean;
}

export interface Case {
  /** The system call, or the concern. */
  readonly group: string;
  readonly name: string;
  readonly place: Place;
  readonly needs: readonly Need[];
  /** Whether nothing else may happen on the file system meanwhile. */
  readonly alone: boolean;
  readonly run: Run;
}

/** How a case is named everywhere: no two have the same. */
export function titleOf(one: Pick<Case, "group" | "name">): string {
  return `${one.group}: ${one.name}`;
}

type Terms = Pick<Case, "needs" | "alone">;
type Qualified = { readonly run: Run } & Partial<Terms>;

/** The cases of one system call, by name. */
export function group(name: string, cases: Readonly<Record<string, Run | Qualified>>, place: Place = "main"): Case[] {
  return Object.entries(cases).map(([title, given]) => {
    const terms = typeof given === "function" ? { run: given } : given;
    return { group: name, name: title, place, needs: [], alone: false, ...terms };
  });
}

/** A case that only a file system with all of `needs` can be asked. */
export function needing(needs: Need | readonly Need[], given: Run | Qualified): Qualified {
  const terms = typeof given === "function" ? { run: given } : given;
  return { ...terms, needs: [...(terms.needs ?? []), ...(Array.isArray(needs) ? needs : [needs])] };
}

/** A case that counts what the whole file system has. */
export function alone(run: Run): Qualified {
  return { run, alone: true };
}
