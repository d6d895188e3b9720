import { type CommandDeclaration, optionSynopsis, programOf } from "./declaration.js";
import { helpOption, usage } from "./parse.js";

const WIDTH = 80;

/** What `bulkhead COMMAND --help` prints. */
export function commandHelp(command: CommandDeclaration): string {
  const parts = [usage(command), "", ...wrap(command.description[0] ?? "", "")];
  parts.push("", "Options:");
  parts.push(...table([...command.options, helpOption].map((option) => [optionSynopsis(option), option.description])));
  if (command.examples.length > 0) {
    parts.push("", "Examples:");
    for (const { command: line, does } of command.examples) parts.push(`  ${line}`, `      ${does}`);
  }
  parts.push("", `Manual: man ${programOf(command).replace(" ", "-")}`);
  return `${parts.join("\n")}\n`;
}

/** What `bulkhead --help` prints. */
export function overallHelp(commands: readonly CommandDeclaration[], about: string): string {
  return `${[
    "usage: bulkhead COMMAND [OPTIONS] ARGUMENTS",
    "",
    ...wrap(about, ""),
    "",
    "Commands:",
    ...table(commands.map(({ name, summary }) => [name, summary])),
    "",
    "`bulkhead COMMAND --help` says more about each; `bulkhead --version` prints the version.",
  ].join("\n")}\n`;
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(26, Math.max(...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) => {
    const lines = wrap(right, " ".repeat(width + 4));
    const first = `  ${left.padEnd(width)}`;
    if (left.length > width) return [first, ...lines];
    return [`${first}  ${lines[0]?.trimStart() ?? ""}`, ...lines.slice(1)];
  });
}

function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(indent + line);
  return lines;
}
