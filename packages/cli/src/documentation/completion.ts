import { mountOptions } from "@bulkhead/server/options";
import type { ArgumentKind, CommandDeclaration, OptionDeclaration } from "../command-line/declaration.js";
import { helpOption } from "../command-line/parse.js";
import { commands } from "../commands/table.js";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** The script that completes commands and options in a shell. */
export function completionScript(shell: Shell): string {
  switch (shell) {
    case "bash":
      return bash();
    case "zsh":
      return zsh();
    case "fish":
      return fish();
  }
}

const allOptions = (command: CommandDeclaration) => [...command.options, helpOption];
const spellings = ({ name, short }: OptionDeclaration) =>
  short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`];

/** What to complete an option's value with: words, of a list with commas if it takes one. */
function valueWords({ name, choices }: OptionDeclaration): readonly string[] {
  if (name === "options")
    return mountOptions.map(({ name, value, optionalValue }) =>
      value === undefined || optionalValue ? name : `${name}=`,
    );
  return choices ?? [];
}

const takesList = ({ value }: OptionDeclaration) => value === "LIST";
const takesFile = ({ value }: OptionDeclaration) => value === "FILE";

function isDirectory(kind: ArgumentKind | undefined): boolean {
  return kind === "mountpoint";
}

function bash(): string {
  const cases = commands.map((command) => {
    const values = command.options
      .filter(({ value }) => value !== undefined)
      .map((option) => `        ${spellings(option).join("|")}) ${bashValue(option)}; return ;;`);
    const words = allOptions(command).flatMap(spellings).join(" ");
    return [
      `    ${command.name})`,
      ...(values.length === 0 ? [] : ["      case $previous in", ...values, "      esac"]),
      `      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '${words}' -- "$current")); return; fi`,
      `      ${bashArguments(command)}`,
      "      ;;",
    ].join("\n");
  });
  return `# bash completion for bulkhead
_bulkhead() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${[...commands.map(({ name }) => name), "--help", "--version"].join(" ")}' -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
  esac
}
_bulkhead_list() {
  local done= last=$current
  if [[ $current == *,* ]]; then done=\${current%,*},; last=\${current##*,}; fi
  COMPREPLY=($(compgen -P "$done" -W "$1" -- "$last"))
  compopt -o nospace
}
complete -o filenames -F _bulkhead bulkhead
`;
}

function bashValue(option: OptionDeclaration): string {
  const words = valueWords(option).join(" ");
  if (takesList(option)) return `_bulkhead_list '${words}'`;
  if (takesFile(option)) return 'COMPREPLY=($(compgen -f -- "$current"))';
  return words === "" ? ":" : `COMPREPLY=($(compgen -W '${words}' -- "$current"))`;
}

function bashArguments(command: CommandDeclaration): string {
  const kinds = command.arguments.map(({ kind }) => kind);
  if (kinds.includes("shell")) return `COMPREPLY=($(compgen -W '${shells.join(" ")}' -- "$current"))`;
  return `COMPREPLY=($(compgen ${kinds.every(isDirectory) ? "-d" : "-f"} -- "$current"))`;
}

function zsh(): string {
  const quote = (text: string) => text.replace(/'/g, "'\\''").replace(/([[\]:])/g, "\\$1");
  const specification = (option: OptionDeclaration) => {
    const names = spellings(option);
    const exclusive = option.repeatable === true ? "*" : names.length > 1 ? `(${names.join(" ")})` : "";
    const words = valueWords(option);
    const action = takesFile(option)
      ? "_files"
      : takesList(option)
        ? `_values -s , ${option.name} ${words.join(" ")}`
        : `(${words.join(" ")})`;
    const value =
      option.value === undefined ? "" : `:${option.value}:${words.length > 0 || takesFile(option) ? action : ""}`;
    return names.map((name) => `'${exclusive}${name}[${quote(option.description)}]${value}'`);
  };
  const argument = (command: CommandDeclaration) =>
    command.arguments.map(({ name, kind, repeatable }, index) => {
      const action = kind === "shell" ? `(${shells.join(" ")})` : isDirectory(kind) ? "_directories" : "_files";
      return `'${repeatable === true ? "*" : index + 1}:${quote(name)}:${action}'`;
    });
  const cases = commands.map((command) => {
    // After a repeatable argument zsh takes no others: its files serve for both.
    const all = argument(command);
    const kept = all.some((each) => each.startsWith("'*")) ? all.filter((each) => each.startsWith("'*")) : all;
    const list = [...allOptions(command).flatMap(specification), ...kept];
    return `    ${command.name})\n      _arguments -s \\\n        ${list.join(" \\\n        ")}\n      ;;`;
  });
  return `#compdef bulkhead
_bulkhead() {
  if ((CURRENT == 2)); then
    local -a commands
    commands=(
      ${commands.map(({ name, summary }) => `'${name}:${quote(summary)}'`).join("\n      ")}
    )
    _describe command commands
    return
  fi
  local command=\${words[2]}
  shift words
  ((CURRENT--))
  case $command in
${cases.join("\n")}
  esac
}
compdef _bulkhead bulkhead
`;
}

function fish(): string {
  const quote = (text: string) => `'${text.replace(/\\/g, "\\\\").replace(/'/g, "\\'")}'`;
  const list = ["# fish completion for bulkhead"];
  for (const { name, summary } of commands) {
    list.push(`complete -c bulkhead -n __fish_use_subcommand -f -a ${name} -d ${quote(summary)}`);
  }
  for (const command of commands) {
    const inside = `complete -c bulkhead -n '__fish_seen_subcommand_from ${command.name}'`;
    for (const option of allOptions(command)) {
      const short = option.short === undefined ? "" : ` -s ${option.short}`;
      const words = valueWords(option).join(" ");
      // What stands before the last comma stays.
      const choice = takesList(option) ? `(__fish_append , ${words})` : words;
      const value =
        option.value === undefined
          ? ""
          : takesFile(option)
            ? " -r -F"
            : ` -x${words === "" ? "" : ` -a ${quote(choice)}`}`;
      list.push(`${inside}${short} -l ${option.name}${value} -d ${quote(option.description)}`);
    }
    if (command.arguments.some(({ kind }) => kind === "shell")) list.push(`${inside} -f -a ${quote(shells.join(" "))}`);
  }
  return `${list.join("\n")}\n`;
}
