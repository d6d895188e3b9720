import { ignoredMountOptions, kernelTuningOptions, mountOptions } from "@bulkhead/server/options";
import { argumentSynopsis, type CommandDeclaration, optionSynopsis, programOf } from "../command-line/declaration.js";
import { exitCodeMeanings } from "../command-line/exit-code.js";
import { helpOption } from "../command-line/parse.js";
import { about, commands } from "../commands/table.js";
import { mountHelpers } from "../mount-helper/declaration.js";
import { helperExitMeanings } from "../mount-helper/exit.js";
import { differences, notes } from "./differences.js";

/** File name and text of every page: the command's own and one for each of its commands. */
export function manPages(version: string): Map<string, string> {
  const pages = new Map([["bulkhead.1", overview(version)]]);
  for (const command of [...commands, ...mountHelpers]) {
    pages.set(`${pageName(command)}.${command.section}`, page(command, version));
  }
  return pages;
}

/** Text as roff takes it: no backslash, hyphen or leading dot means anything else. */
function roff(text: string): string {
  return text
    .replace(/\\/g, "\\e")
    .replace(/-/g, "\\-")
    .replace(/^([.'])/gm, "\\&$1");
}

/** `like this` is what the user types. */
function prose(text: string): string {
  return roff(text).replace(/`([^`]+)`/g, "\\fB$1\\fR");
}

function header(name: string, section: number, version: string): string[] {
  return [
    '.\\" Generated from the command table by src/documentation/write.ts; do not edit.',
    `.TH ${name.toUpperCase()} ${section} "" "bulkhead ${version}" "Bulkhead"`,
  ];
}

function tagged(term: string, text: string): string[] {
  return [".TP", `.B ${roff(term)}`, prose(text)];
}

const exitStatus = [".SH EXIT STATUS", ...exitCodeMeanings.flatMap(([code, meaning]) => tagged(String(code), meaning))];

const helperExitStatus = [
  ".SH EXIT STATUS",
  ...Object.entries(helperExitMeanings).flatMap(([code, meaning]) => tagged(code, meaning)),
];

function overview(version: string): string {
  return lines([
    ...header("bulkhead", 1, version),
    ".SH NAME",
    "bulkhead \\- read, change and mount ext4 images and devices without the kernel\\(aqs ext4 driver",
    ".SH SYNOPSIS",
    ".B bulkhead",
    ".I COMMAND",
    ".RI [ OPTIONS ]",
    ".I ARGUMENTS",
    ".SH DESCRIPTION",
    prose(about),
    ".PP",
    prose(
      "A file inside an image is named IMAGE:/PATH. Only the commands that change an image, and a mount without -o ro, write to it.",
    ),
    ".PP",
    prose(
      "What --json prints is described in the page of each command. Fields may be added to it: a program should pass over those that it does not know.",
    ),
    ".SH COMMANDS",
    ...commands.flatMap(({ name, section, summary }) => [
      ".TP",
      `.BR bulkhead\\-${roff(name)} (${section})`,
      `${prose(summary.charAt(0).toUpperCase() + summary.slice(1))}.`,
    ]),
    ...exitStatus,
    ".SH ENVIRONMENT",
    ...tagged("BULKHEAD_DEBUG", "If it is set, an error is followed by where in the program it came from."),
  ]);
}

function pageName(command: CommandDeclaration): string {
  return programOf(command).replace(" ", "-");
}

function page(command: CommandDeclaration, version: string): string {
  const name = pageName(command);
  return lines([
    ...header(name, command.section, version),
    ".SH NAME",
    `${roff(name)} \\- ${roff(command.summary)}`,
    ".SH SYNOPSIS",
    `.B ${roff(programOf(command))}`,
    ".RI [ OPTIONS ]",
    ...command.arguments.map((argument) => `.I ${roff(argumentSynopsis(argument))}`),
    ".SH DESCRIPTION",
    ...command.description.flatMap((paragraph, index) => [...(index === 0 ? [] : [".PP"]), prose(paragraph)]),
    ".SH OPTIONS",
    ...[...command.options, helpOption].flatMap((option) => tagged(optionSynopsis(option), option.description)),
    ...(command.name === "mount" ? [...mountOptionsSection(), ...differencesSection(), ...notesSection()] : []),
    ...(command.program === undefined ? exitStatus : helperExitStatus),
    ...(command.examples.length === 0 ? [] : [".SH EXAMPLES"]),
    ...command.examples.flatMap(({ command: line, does }) => tagged(line, does)),
    ".SH SEE ALSO",
    ...seeAlso(command),
  ]);
}

function mountOptionsSection(): string[] {
  return [
    ".SH MOUNT OPTIONS",
    ...mountOptions.flatMap(({ name, aliases = [], value, optionalValue, description }) =>
      tagged([name, ...aliases].map((each) => withValue(each, value, optionalValue)).join(", "), description),
    ),
    ".PP",
    prose(
      `Options that mount(8) passes to every file system are taken and have no effect: ${ignoredMountOptions.join(", ")}, comment=, and all that start with x- or X-. Nor have those of ext4 that only tune the kernel's implementation, or ask for what is always so: ${kernelTuningOptions.join(", ")}. Any other option is an error, also one of ext4's whose promise would not be kept, such as data_err=abort or max_dir_size_kb=.`,
    ),
  ];
}

function differencesSection(): string[] {
  return [".SH DIFFERENCES FROM THE KERNEL'S EXT4", ...differences.flatMap(([what, how]) => tagged(what, how))];
}

function notesSection(): string[] {
  return [".SH NOTES", ...notes.map(prose)];
}

function withValue(name: string, value: string | undefined, optional = false): string {
  if (value === undefined) return name;
  return optional ? `${name}[=${value}]` : `${name}=${value}`;
}

function seeAlso(command: CommandDeclaration): string[] {
  const others = [...commands, ...mountHelpers].filter((other) => other !== command);
  const references = [".BR bulkhead (1)", ...others.map((other) => `.BR ${roff(pageName(other))} (${other.section})`)];
  return references.map((reference, index) => (index < references.length - 1 ? `${reference},` : reference));
}

function lines(list: readonly string[]): string {
  return `${list.join("\n")}\n`;
}
