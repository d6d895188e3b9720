import type { MountSettings } from "./settings.js";

/** An option that `-o` takes, declared once: parsing, man page and completion come from here. */
export interface MountOption {
  readonly name: string;
  /** Other names for the same. */
  readonly aliases?: readonly string[];
  /** What stands for the value; absent when it takes none. */
  readonly value?: string;
  /** Whether the value may be left out. */
  readonly optionalValue?: boolean;
  readonly choices?: readonly string[];
  readonly description: string;
  apply(settings: MountSettings, value: string): void;
}

/** An option without a value, which sets something. */
export function flag(
  name: string,
  sets: Partial<MountSettings>,
  description: string,
  aliases: readonly string[] = [],
): MountOption {
  return { name, aliases, description, apply: (settings) => void Object.assign(settings, sets) };
}
