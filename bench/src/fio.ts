import { spawnSync } from "node:child_process";

/**
 * Runs fio. It gets no signals of a terminal, as timeout(1) has a process group of its own: fio allocates memory in its handler, and
 * waits for ever where it was about to do so. Whoever interrupts us waits until it is done.
 *
 * @param seconds that it may take
 * @returns its report, made with --output-format=json
 * @throws Error with what it says
 */
export function fio<Job>(name: string, args: readonly string[], seconds: number): Job[] {
  const line = ["--signal=KILL", String(seconds), "fio", ...args, "--output-format=json"];
  const { stdout, stderr, status } = spawnSync("timeout", line, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${name}: fio says ${stderr || stdout || `nothing (exit code ${status})`}`);
  const { jobs } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as { jobs: Job[] };
  return jobs;
}
