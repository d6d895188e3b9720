import { readFileSync } from "node:fs";

/**
 * The command line's arguments. Node decodes them as UTF-8 and loses what is none; names in an image may be any bytes, so on
 * Linux such arguments are taken from the kernel, with bytes that are not UTF-8 as lone surrogates (see nameToString).
 */
export async function exactArguments(): Promise<string[]> {
  const args = process.argv.slice(2);
  if (process.platform !== "linux" || !args.some((argument) => argument.includes("\ufffd"))) return args;
  const { nameToString } = await import("@bulkhead/ext4");
  const raw = readFileSync("/proc/self/cmdline");
  const all: string[] = [];
  for (let start = 0; start < raw.length; ) {
    const end = raw.indexOf(0, start);
    all.push(nameToString(raw.subarray(start, end)));
    start = end + 1;
  }
  return all.slice(-args.length);
}
