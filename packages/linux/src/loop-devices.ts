/** Loop devices, as sysfs shows them. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";

/** The names (`loop0`) of the loop devices that are on a file, under whatever name; none where it is no file, or sysfs does not tell. */
export function* loopDevicesOf(path: string): Generator<string> {
  const file = seen(() => statSync(path, { bigint: true }));
  if (file?.isFile() !== true) return;
  for (const name of seen(() => readdirSync("/sys/block")) ?? []) {
    // Most are on no file. What throws would cost ten times as much.
    if (!name.startsWith("loop") || !existsSync(`/sys/block/${name}/loop`)) continue;
    const backing = seen(() => {
      const named = readFileSync(`/sys/block/${name}/loop/backing_file`, "utf8").replace(/\n$/, "");
      return statSync(named, { bigint: true });
    });
    if (backing?.dev === file.dev && backing.ino === file.ino) yield name;
  }
}

/** Undefined for what is gone meanwhile, or has no name any more. */
function seen<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
