import { parseArgs } from "node:util";
import { suggestion } from "@bulkhead/server/options/suggestion";
import {
  argumentSynopsis,
  type CommandDeclaration,
  type GivenArguments,
  type OptionDeclaration,
  optionSynopsis,
  programOf,
} from "./declaration.js";
import { UsageError } from "./errors.js";

/** Every command has it. */
export const helpOption: OptionDeclaration = { name: "help", short: "h", description: "Show help and exit." };

/**
 * Reads a command's arguments by its declaration.
 *
 * @throws UsageError that names what is wrong
 */
export function parseArguments(command: CommandDeclaration, args: readonly string[]): GivenArguments {
  const declared = [...command.options, helpOption];
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: Object.fromEntries(
      declared.map(({ name, short, value, repeatable }) => [
        name,
        {
          type: value === undefined ? ("boolean" as const) : ("string" as const),
          multiple: repeatable === true,
          ...(short === undefined ? {} : { short }),
        },
      ]),
    ),
  });

  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = declared.find(({ name }) => name === token.name);
    if (option === undefined) {
      const known = declared.map(({ name }) => `--${name}`);
      throw new UsageError(`unknown option ${token.rawName}${suggestion(token.rawName, known)}`);
    }
    if (option.value === undefined) {
      if (token.value !== undefined) throw new UsageError(`option ${token.rawName} takes no value`);
      values.set(option.name, []);
    } else {
      // "-o -r" is a forgotten value rather than one that starts with a dash; "-o=-r" can say that.
      if (token.value === undefined || (token.value.startsWith("-") && token.value !== "-" && !token.inlineValue)) {
        throw new UsageError(`option ${token.rawName} needs a value: ${optionSynopsis(option)}`);
      }
      values.set(option.name, [...(values.get(option.name) ?? []), token.value]);
    }
  }
  if (!values.has(helpOption.name)) checkCount(command, positionals);
  return {
    positionals,
    flag: (name) => values.has(name),
    value: (name) => values.get(name)?.at(-1),
    values: (name) => values.get(name) ?? [],
  };
}

function checkCount(command: CommandDeclaration, positionals: readonly string[]): void {
  const least = command.arguments.filter(({ optional }) => optional !== true).length;
  if (positionals.length < least) {
    const missing = command.arguments.slice(positionals.length, least).map(({ name }) => name);
    throw new UsageError(`${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} missing; ${usage(command)}`);
  }
  if (positionals.length > command.arguments.length && !command.arguments.some(({ repeatable }) => repeatable)) {
    throw new UsageError(`unexpected argument ${positionals[command.arguments.length]}; ${usage(command)}`);
  }
}

/** "usage: bulkhead ls [OPTIONS] IMAGE:/PATH..." */
export function usage(command: CommandDeclaration): string {
  return `usage: ${[programOf(command), "[OPTIONS]", ...command.arguments.map(argumentSynopsis)].join(" ")}`;
}
