import { type ParseArgsConfig, parseArgs } from "node:util";

/** Ends the process, before it has begun: what it was given will not do. */
export function refuse(what: string): never {
  console.error(`bench: ${what}`);
  process.exit(2);
}

/** Ends the process if it is not root's. */
export function needRoot(): void {
  if (process.getuid?.() !== 0) refuse("this mounts, and takes root");
}

/** The values of a program's options. Asked for `--help` or `-h`, it prints its usage and ends; it ends at an option that it does not have. */
export function readOptions<T extends NonNullable<ParseArgsConfig["options"]>>(
  usage: string,
  options: T,
): ReturnType<typeof parseArgs<{ options: T }>>["values"] {
  if (process.argv.some((word) => word === "--help" || word === "-h")) {
    console.log(usage);
    process.exit();
  }
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    refuse(`${(error as Error).message.split(". ")[0]}\n${usage}`);
  }
}
