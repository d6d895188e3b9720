import { refuse } from "./command-line.js";

/**
 * Those of some benchmarks whose names hold every word, or some word. All of them without words. The process ends at a word that no
 * name holds, or none of them together with the others.
 */
export function chosenOf<T extends { readonly name: string }>(
  all: readonly T[],
  words: readonly string[],
  how: "every" | "some",
): readonly T[] {
  const holds = ({ name }: T) => words.length === 0 || words[how]((word) => name.includes(word));
  const lost = words.filter((word) => !all.some(({ name }) => name.includes(word)));
  const chosen = all.filter(holds);
  if (lost.length === 0 && chosen.length > 0) return chosen;
  const names = all.map(({ name }) => `  ${name}`).join("\n");
  refuse(
    `--only ${(lost.length > 0 ? lost : words).join(" ")}: no benchmark has that in its name; there are:\n${names}`,
  );
}
