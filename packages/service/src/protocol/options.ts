/**
 * The words of a list of mount options. A comma after a backslash, or between double quotes, does not separate; words are
 * given as they stand.
 */
export function splitOptions(list: string): string[] {
  const words: string[] = [];
  let word = "";
  let quoted = false;
  for (let at = 0; at < list.length; at++) {
    const letter = list[at] ?? "";
    if (letter === "\\" && at + 1 < list.length) word += letter + list[++at];
    else if (letter === "," && !quoted) {
      words.push(word);
      word = "";
    } else {
      if (letter === '"') quoted = !quoted;
      word += letter;
    }
  }
  words.push(word);
  return words;
}

/** A word without the backslashes before its commas and backslashes. */
export function unescapeOption(word: string): string {
  return word.replace(/\\([\\,])/g, "$1");
}
