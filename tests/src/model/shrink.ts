/** Delta debugging: a shorter sequence that still fails. Details are drawn anew when what comes before is missing. */

/**
 * @param fails whether a sequence fails, and up to which operation
 * @param budget milliseconds
 */
export async function shrink<T>(
  sequence: readonly T[],
  fails: (candidate: readonly T[]) => Promise<number | undefined>,
  budget: number,
): Promise<readonly T[]> {
  const deadline = Date.now() + budget;
  let best = sequence;
  let size = Math.ceil(best.length / 2);
  while (size >= 1 && Date.now() < deadline) {
    let removed = false;
    for (let end = best.length; end > 0 && Date.now() < deadline; end -= size) {
      const candidate = [...best.slice(0, Math.max(0, end - size)), ...best.slice(end)];
      if (candidate.length === best.length) continue;
      const at = await fails(candidate);
      if (at === undefined) continue;
      best = candidate.slice(0, at + 1);
      removed = true;
      end = Math.min(end, best.length + size);
    }
    if (size === 1 && !removed) break;
    size = Math.max(1, removed && size === 1 ? 1 : Math.floor(size / 2));
  }
  return best;
}
