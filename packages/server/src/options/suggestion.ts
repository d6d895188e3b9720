/** The candidate closest to what was written, if it is close enough to be a slip. */
export function nearest(written: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  // A slip in every three letters, and no word of one letter suggests another.
  let bound = Math.floor(written.length / 3) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(written, candidate);
    if (distance < bound || (distance === bound && best === undefined && bound < candidate.length)) {
      best = candidate;
      bound = distance;
    }
  }
  return best;
}

/** "; did you mean X?", or nothing. */
export function suggestion(written: string, candidates: Iterable<string>): string {
  const best = nearest(written, candidates);
  return best === undefined ? "" : `; did you mean ${best}?`;
}

/** Insertions, deletions and replacements of letters that make one word of the other. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
