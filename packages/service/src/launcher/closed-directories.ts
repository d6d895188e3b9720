/** A way to a program for those whom the directories above it are closed to (an installation below /root, say). */
import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { VisiblePath } from "../units/program-files.js";

/** Directories of which one is not in the way: something is put together there, out of everybody's sight. */
const PLACES = ["/mnt", "/media", "/srv", "/opt", "/tmp", "/var/tmp", "/run"];

/** Whether somebody without rights of their own gets to `path` at all. */
export function isReachable(path: string): boolean {
  return closedAbove(path) === undefined;
}

/**
 * A command, to be put in front of another, that covers each directory which is in the way of `files` with an empty one that holds
 * them and nothing else, in a mount namespace of its own. Their paths stay what they are, and nothing outside changes.
 * Takes root.
 *
 * @throws Error when there is no place to put that together
 */
export function uncover(files: readonly VisiblePath[]): string[] {
  const covers = [
    ...new Set(files.flatMap(({ target, source }) => [target, source].flatMap((it) => closedAbove(it) ?? []))),
  ];
  const inTheWay = (place: string) =>
    [...covers, ...files.map(({ source }) => source)].some((it) => `${it}/`.startsWith(`${place}/`));
  const place = PLACES.find((candidate) => existsSync(candidate) && !inTheWay(candidate));
  if (place === undefined) throw new Error(`all of ${PLACES.join(", ")} are in use for the program itself`);
  const script = [
    `mount -t tmpfs -o mode=0755 tmpfs ${place}`,
    ...covers.flatMap((cover, index) => {
      const at = (target: string) => quoted(`${place}/${index}${target.slice(cover.length)}`);
      const inside = files.filter(({ target }) => target.startsWith(`${cover}/`));
      return [
        `mkdir ${place}/${index}`,
        ...inside.flatMap(({ source, target }) => [
          statSync(source).isDirectory()
            ? `mkdir -p ${at(target)}`
            : `mkdir -p ${at(dirname(target))}; : > ${at(target)}`,
          `mount --bind ${quoted(source)} ${at(target)}`,
        ]),
      ];
    }),
    ...covers.map((cover, index) => `mount --rbind ${place}/${index} ${quoted(cover)}`),
    'exec "$@"',
  ];
  return ["unshare", "--mount", "--", "sh", "-ec", script.join("\n"), "sh"];
}

/** The topmost directory above `path` that not everybody may pass. */
function closedAbove(path: string): string | undefined {
  const above: string[] = [];
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) above.unshift(at);
  // What is not there is somebody else's to complain about.
  return above.find((directory) => ((statSync(directory, { throwIfNoEntry: false })?.mode ?? 0o1) & 0o1) === 0);
}

/** For a shell. */
export function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}
