/** The tables of attempts in docs/containment.md: what stands there is what the tests find. */
import { fileURLToPath } from "node:url";
import { groups } from "./attempts/index.js";
import { ending, refused } from "./hostile-words.js";

export const DOCUMENT = fileURLToPath(new URL("../../../docs/containment.md", import.meta.url));

const BEGIN = "<!-- attempts: written by `node tests/dist/escape/write-table.js` -->";
const END = "<!-- end of attempts -->";

function renderAttempts(): string {
  const lines: string[] = [];
  for (const { name, attempts } of groups) {
    lines.push("", `### ${name}`, "", "| attempt | ends with |", "| --- | --- |");
    for (const { name: what, outcome, only } of attempts) {
      lines.push(`| ${what}${only === undefined ? "" : ` (${only})`} | ${outcome} |`);
    }
  }
  lines.push("", "### Words to the helper", "", "| the server | the helper |", "| --- | --- |");
  for (const { name, answer } of [...refused, ...ending]) lines.push(`| ${name} | ${answer} |`);
  return lines.join("\n");
}

/** `document` with the tables as they are now. @throws Error when it has no place for them */
export function withAttempts(document: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error("docs/containment.md has no place for the attempts");
  return `${document.slice(0, begin + BEGIN.length)}\n${renderAttempts()}\n\n${document.slice(end)}`;
}
