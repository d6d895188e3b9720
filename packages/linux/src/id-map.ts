import { readFileSync } from "node:fs";

/** Ids in a row: from `first` on in our user namespace, from `outside` on in the one around it. */
export interface IdRange {
  readonly first: number;
  readonly outside: number;
  readonly count: number;
}

/** The ids that there are in this process's user namespace: all, where the kernel has no such namespaces. */
export function idMap(of: "uid" | "gid"): readonly IdRange[] {
  let text: string;
  try {
    text = readFileSync(`/proc/self/${of}_map`, "latin1");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return [{ first: 0, outside: 0, count: 2 ** 32 - 1 }];
  }
  return [...text.matchAll(/(\d+) +(\d+) +(\d+)\n/g)].map(([, first, outside, count]) => ({
    first: Number(first),
    outside: Number(outside),
    count: Number(count),
  }));
}
