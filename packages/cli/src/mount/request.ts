import type { MountSettings } from "@bulkhead/server/options";
import { CommandError, UsageError } from "../command-line/errors.js";

/** One mount that was asked for; plain data, handed to the server's process. */
export interface MountRequest {
  /** Absolute. */
  readonly source: string;
  /** Absolute. */
  readonly mountpoint: string;
  readonly settings: MountSettings;
  /** The values of `-o`, which `settings` comes from. */
  readonly options: readonly string[];
  /** Have the server's process open, mount and serve by itself. */
  readonly uncontained: boolean;
  /** Absolute; log lines go there instead of the system log. */
  readonly logFile: string | undefined;
  /** Servers are those of the service; default: they are launched. */
  readonly service?: ServiceRequest;
}

/** Refuses what Node, whose paths are text, would take for another path. @throws CommandError */
export function checkPaths({ source, mountpoint }: Pick<MountRequest, "source" | "mountpoint">): void {
  for (const path of [source, mountpoint]) {
    if (Buffer.from(path).toString() !== path) {
      throw new CommandError(`${path} is no UTF-8, which the paths of a mount have to be: give it another name`);
    }
  }
}

/** Words of `-o` that are root's alone, and come to nothing, as with fusermount3. @throws UsageError for one that must not */
export function unheededWords({ noSuid, noDev, noSymFollow }: MountSettings): string[] {
  if (process.geteuid?.() === 0) return [];
  if (noSymFollow) throw new UsageError("-o nosymfollow takes root: fusermount3 does not know it");
  return [...(noSuid ? [] : ["suid"]), ...(noDev ? [] : ["dev"])];
}

/** By this word in its command line, whoever mounts is known to serve as well. */
export const UNCONTAINED = "--uncontained";

/** Behind the socket of this name no other product's server answers. */
export const SERVICE_TYPE = "bulkhead";

export interface ServiceRequest {
  /** Where it listens, if not at the usual place. */
  readonly directory: string | undefined;
  /** Write nothing to /run/mount/utab. */
  readonly noTable: boolean;
}

/** What the server's process tells the one that started it, once. */
export type MountReport =
  | { readonly kind: "mounted"; readonly warning: string | undefined }
  | { readonly kind: "failed"; readonly message: string; readonly exitCode: number };

/** A mount that is served. */
export interface Serving {
  /** Resolves when it has ended in order; rejects with what ended the server. */
  readonly finished: Promise<void>;
}
