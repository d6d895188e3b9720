/** An option of a command, declared once: parsing, help, man pages and shell completion all come from here. */
export interface OptionDeclaration {
  /** Long name without dashes. */
  readonly name: string;
  /** One letter without its dash. */
  readonly short?: string;
  /** What stands for the value in help ("BYTES"); absent for a flag. */
  readonly value?: string;
  /** Whether it may be given more than once. */
  readonly repeatable?: boolean;
  /** Values to complete. */
  readonly choices?: readonly string[];
  /** One sentence, for help and man page. */
  readonly description: string;
}

/** What a shell should complete an argument with. */
export type ArgumentKind = "source" | "image-path" | "destination" | "mountpoint" | "shell" | "command";

export interface ArgumentDeclaration {
  /** As in the synopsis: "SOURCE". */
  readonly name: string;
  readonly kind: ArgumentKind;
  readonly optional?: boolean;
  readonly repeatable?: boolean;
}

export interface Example {
  readonly command: string;
  readonly does: string;
}

export interface CommandDeclaration {
  readonly name: string;
  /** The program, if it is not `bulkhead NAME`. */
  readonly program?: string;
  /** Section of the manual: 1 for users' commands, 8 for those of administrators. */
  readonly section: 1 | 8;
  /** What it does, for the list of commands: no capital, no full stop. */
  readonly summary: string;
  readonly arguments: readonly ArgumentDeclaration[];
  readonly options: readonly OptionDeclaration[];
  /** Paragraphs of the man page; help shows the first. */
  readonly description: readonly string[];
  readonly examples: readonly Example[];
  /** Loads the code, and with it what it needs: a command pays for its own imports alone. */
  load(): Promise<CommandModule>;
}

export interface CommandModule {
  /** @returns the exit code */
  run(given: GivenArguments): Promise<number> | number;
}

/** The arguments of one call. */
export interface GivenArguments {
  readonly positionals: readonly string[];
  /** Whether a flag was given. */
  flag(name: string): boolean;
  /** The value of an option, the last if there are several. */
  value(name: string): string | undefined;
  /** All values of a repeatable option. */
  values(name: string): readonly string[];
}

/** What a user types in front of the arguments. */
export function programOf({ name, program = `bulkhead ${name}` }: CommandDeclaration): string {
  return program;
}

/** "-L, --depth N" */
export function optionSynopsis(option: OptionDeclaration): string {
  const value = option.value === undefined ? "" : ` ${option.value}`;
  return `${option.short === undefined ? "" : `-${option.short}, `}--${option.name}${value}`;
}

/** "IMAGE:/PATH…" */
export function argumentSynopsis(argument: ArgumentDeclaration): string {
  const name = argument.repeatable === true ? `${argument.name}...` : argument.name;
  return argument.optional === true ? `[${name}]` : name;
}
