/** Temporary directories that go away with the test, or with the process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const live = new Set<string>();

process.on("exit", () => {
  for (const directory of live) remove(directory);
});

/** A new empty directory below the system's temporary directory. */
export function scratchDirectory(purpose: string, base: string = tmpdir()): string {
  const directory = mkdtempSync(join(base, `bulkhead-${purpose}-`));
  live.add(directory);
  return directory;
}

/** Removes a directory of `scratchDirectory` and everything in it. */
export function removeScratch(directory: string): void {
  remove(directory);
  live.delete(directory);
}

function remove(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
}

/** Runs `work` with a scratch directory that is removed afterwards, whatever happens. */
export function withScratch<T>(purpose: string, work: (directory: string) => T): T {
  const directory = scratchDirectory(purpose);
  try {
    return work(directory);
  } finally {
    removeScratch(directory);
  }
}
