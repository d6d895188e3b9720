import { answer, assemble, atLeast, type Code, equals, hasAnyOf, load, when } from "./bpf.js";
import type { Condition, Rule, Verdict } from "./policy.js";
import { type Architecture, architectures, systemCalls } from "./system-calls.js";

/* linux/seccomp.h: what a filter answers. */
const KILL_PROCESS = 0x8000_0000;
const ALLOW = 0x7fff_0000;
const ERRNO = 0x0005_0000;

/* struct seccomp_data: int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6], little-endian. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const low = (argument: number) => 16 + 8 * argument;
const TWO_32 = 2 ** 32;
const high = (argument: number) => low(argument) + 4;

/**
 * The program that puts `rules` into force: a search by number, halving each time. The kernel runs it in advance for every number, and
 * asks it no more about those that it allows without a look at arguments. A system call of another architecture, or of x32 (whose
 * numbers are in no rule), kills.
 */
export function compileFilter(rules: readonly Rule[], architecture: Architecture): Uint8Array {
  const { column, audit } = architectures[architecture];
  const entries: Entry[] = [];
  for (const rule of rules) {
    const code = decide(rule);
    for (const call of rule.calls) {
      const number = systemCalls[call][column];
      if (number !== undefined) entries.push({ number, code });
    }
  }
  entries.sort((a, b) => a.number - b.number);
  for (const [i, { number }] of entries.entries()) {
    if (number === entries[i - 1]?.number) throw new Error(`two rules for system call ${number}`);
  }
  const kill = verdict("kill");
  return assemble(load(ARCHITECTURE, when(equals(audit), load(NUMBER, search(entries)), kill)));
}

interface Entry {
  readonly number: number;
  readonly code: Code;
}

function search(entries: readonly Entry[]): Code {
  const [first] = entries;
  if (first === undefined) return verdict("kill");
  if (entries.length === 1) return when(equals(first.number), first.code, verdict("kill"));
  const middle = entries.length >> 1;
  const pivot = entries[middle]?.number ?? 0;
  return when(atLeast(pivot), search(entries.slice(middle)), search(entries.slice(0, middle)));
}

function decide({ cases, otherwise }: Rule): Code {
  let code = verdict(otherwise);
  for (const { where, verdict: answered } of cases.toReversed()) {
    const failed = code;
    let held = verdict(answered);
    for (const condition of where.toReversed()) held = test(condition, held, failed);
    code = held;
  }
  return code;
}

function test(condition: Condition, yes: Code, no: Code): Code {
  const { argument } = condition;
  if ("has" in condition) return load(low(argument), when(hasAnyOf(condition.has), yes, no));
  if ("within" in condition) {
    const clean = load(low(argument), when(hasAnyOf(~condition.within), no, yes));
    return load(high(argument), when(equals(0), clean, no));
  }
  if ("atLeast" in condition) {
    const [above, below] = [Math.floor(condition.atLeast / TWO_32), condition.atLeast % TWO_32];
    const same = load(low(argument), when(atLeast(below), yes, no));
    return load(high(argument), when(atLeast(above + 1), yes, when(equals(above), same, no)));
  }
  if ("isNot" in condition) return load(low(argument), when(equals(condition.isNot), no, yes));
  let code = no;
  for (const value of condition.is.toReversed()) code = when(equals(value), yes, code);
  return load(low(argument), code);
}

function verdict(which: Verdict): Code {
  if (which === "allow") return answer(ALLOW);
  return answer(which === "kill" ? KILL_PROCESS : ERRNO | which.errno);
}
