/** Loop devices, as procfs and sysfs show them. */
import { readFileSync, statSync } from "node:fs";

/** The names (`loop0`) of the loop devices that are on a file, under whatever name; none where it is no file, or they do not tell. */
export function* loopDevicesOf(path: string | Buffer): Generator<string> {
  const file = seen(() => statSync(path, { bigint: true }));
  if (file?.isFile() !== true) return;
  // Not those that are on no file, of which there may be hundreds.
  const partitions = seen(() => readFileSync("/proc/partitions", "latin1")) ?? "";
  for (const [name] of partitions.matchAll(/\bloop\d+$/gm)) {
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
