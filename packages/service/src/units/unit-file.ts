/** `Name=value`; with several values the line is there several times. Without any it is there once, empty: "none of these". */
export type Directive = readonly [name: string, ...values: string[]];

/** Directives that belong together, and what they are there for: a comment in the file. */
export interface DirectiveGroup {
  readonly why?: string;
  readonly directives: readonly Directive[];
}

/** A unit of systemd, as data. */
export interface UnitFile {
  readonly name: string;
  readonly sections: Readonly<Record<string, readonly DirectiveGroup[]>>;
}

/** The unit as systemd reads it; `heading` is its first line, a comment. */
export function renderUnit({ sections }: UnitFile, heading: string): string {
  const lines = [`# ${heading}`];
  for (const [section, groups] of Object.entries(sections)) {
    lines.push("", `[${section}]`);
    for (const { why, directives } of groups) {
      if (why !== undefined) lines.push(`# ${why}`);
      for (const [name, ...values] of directives) {
        lines.push(...(values.length === 0 ? [`${name}=`] : values.map((value) => `${name}=${value}`)));
      }
    }
  }
  return `${lines.join("\n")}\n`;
}

/**
 * A path as it may stand in any directive. systemd has a way to quote for each kind of them, and few look at what comes of it: nothing
 * that would have to be quoted is taken.
 *
 * @throws {TypeError}
 */
export function plainPath(path: string): string {
  if (!/^\/[\w./@+,~-]*$/.test(path)) {
    throw new TypeError(
      `${JSON.stringify(path)} cannot stand in a unit: absolute paths of letters, digits and ./@+,~_- can`,
    );
  }
  return path;
}
