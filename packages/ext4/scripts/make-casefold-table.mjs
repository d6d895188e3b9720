// Makes src/dir/casefold-table.ts, and prints it.
//
//   node packages/ext4/scripts/make-casefold-table.mjs CaseFolding.txt DerivedAge.txt > packages/ext4/src/dir/casefold-table.ts
//   node packages/ext4/scripts/make-casefold-table.mjs --perl > packages/ext4/src/dir/casefold-table.ts
//
// The two files are those of the Unicode Character Database, of version 12.1.0 or any later one: what a version assigns keeps its
// age and its case folding in all later ones, so the characters that are newer than 12.1 are left out and the rest is the same.
// With --perl the same is asked of perl's copy of the database (perl 5.32 and later have Unicode 13.0 or more).
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const LAST_VERSION = [12, 1];
const END = 0x11_0000;
/** Longest line of a table, without indentation, quotes and the space at its end. */
const WIDTH = 104;

/** Prints the lines of CaseFolding.txt and, behind a line of dashes, those of DerivedAge.txt, as far as they are used here. */
const ASK_PERL = String.raw`
use Unicode::UCD qw(casefold prop_invmap);
my ($starts, $ages, $format, $default) = prop_invmap("Age");
for my $i (0 .. $#$starts) {
  next unless $ages->[$i] =~ /^\d/;
  my $end = ($i == $#$starts ? 0x110000 : $starts->[$i + 1]) - 1;
  push @ages, sprintf("%04X..%04X ; %s\n", $starts->[$i], $end, $ages->[$i]);
  for my $code ($starts->[$i] .. $end) {
    next if $code >= 0xD800 && $code <= 0xDFFF;
    my $fold = casefold($code) or next;
    print "$fold->{code}; ", ($fold->{status} eq "C" ? "C; $fold->{mapping}" : "F; $fold->{full}"), ";\n";
  }
}
print "----\n", @ages;
`;

function readInput([first, second, ...rest]) {
  if (first === "--perl" && second === undefined) {
    return execFileSync("perl", ["-e", ASK_PERL], { encoding: "utf8", maxBuffer: 2 ** 26 }).split("----\n");
  }
  if (second === undefined || rest.length > 0) {
    throw new Error("usage: make-casefold-table.mjs (--perl | CaseFolding.txt DerivedAge.txt)");
  }
  return [readFileSync(first, "utf8"), readFileSync(second, "utf8")];
}

/** The fields of each line of a Unicode data file, without comments. */
function* rows(text) {
  for (const line of text.split("\n")) {
    const fields = line.replace(/#.*/, "").split(";");
    if (fields.length > 1) yield fields.map((field) => field.trim());
  }
}

const hex = (text) => Number.parseInt(text, 16);
const base36 = (number) => number.toString(36);

/** A byte a code point: 1 for what Unicode 12.1 assigns. */
function assignedBy(derivedAge) {
  const assigned = new Uint8Array(END);
  let latest = [0, 0];
  for (const [range, age] of rows(derivedAge)) {
    const version = age.replace(/^V/, "").split(/[._]/).map(Number);
    const isLater = ([major, minor], [otherMajor, otherMinor]) =>
      major > otherMajor || (major === otherMajor && minor > otherMinor);
    if (isLater(version, latest)) latest = version;
    if (isLater(version, LAST_VERSION)) continue;
    const [first, last] = range.split("..").map(hex);
    assigned.fill(1, first, (last ?? first) + 1);
  }
  if (latest[0] < LAST_VERSION[0]) throw new Error(`ages up to ${latest.join(".")}; Unicode 12.1 or later is needed`);
  return assigned;
}

function foldings(caseFolding, assigned) {
  const common = [];
  const full = [];
  for (const [code, status, mapping] of rows(caseFolding)) {
    const codePoint = hex(code);
    if (assigned[codePoint] === 0) continue;
    const folded = mapping.split(" ").map(hex);
    if (status === "C") common.push([codePoint, folded[0] - codePoint]);
    if (status === "F") full.push([codePoint, ...folded]);
  }
  common.sort(([a], [b]) => a - b);
  full.sort(([a], [b]) => a - b);
  return { common, full };
}

/** Foldings by one difference to characters that follow each other, or every second one. */
function packCommon(common) {
  const runs = [];
  let before = 0;
  for (let at = 0; at < common.length; ) {
    const [start, difference] = common[at];
    const step = common[at + 1]?.[0] - start === 2 && common[at + 1][1] === difference ? 2 : 1;
    let count = 1;
    while (common[at + count]?.[0] === start + count * step && common[at + count][1] === difference) count++;
    runs.push([start - before, 2 * count + (step - 1), difference].map(base36).join(","));
    before = start;
    at += count;
  }
  return runs;
}

function packUnassigned(assigned) {
  const ranges = [];
  let before = 0;
  for (let at = 0; at < END; ) {
    if (assigned[at] === 1) {
      at++;
      continue;
    }
    const start = at;
    while (at < END && assigned[at] === 0) at++;
    const more = at - 1 - start;
    ranges.push(base36(start - before) + (more === 0 ? "" : `,${base36(more)}`));
    before = at - 1;
  }
  return ranges;
}

function wrap(items) {
  const lines = [];
  let line = "";
  for (const item of items) {
    if (line !== "" && line.length + 1 + item.length > WIDTH) {
      lines.push(`${line} `);
      line = "";
    }
    line += line === "" ? item : ` ${item}`;
  }
  lines.push(line);
  return lines.map((text) => `  "${text}"`).join(" +\n");
}

const [caseFolding, derivedAge] = readInput(process.argv.slice(2));
const assigned = assignedBy(derivedAge);
const { common, full } = foldings(caseFolding, assigned);

process.stdout.write(`/**
 * Unicode 12.1, the version that ext4's casefold feature is fixed to, as far as names need it and JavaScript does not tell it.
 * Numbers are in base 36. Made by scripts/make-casefold-table.mjs from CaseFolding.txt and DerivedAge.txt; not to be edited by
 * hand.
 */

/**
 * Case foldings of one character to one (status C): runs of \`start, 2 * count + (step - 1), difference\`; a start counts from the
 * one before.
 */
export const COMMON_FOLDINGS =
${wrap(packCommon(common))};

/** Case foldings of one character to several (status F): the character, then what it folds to. */
export const FULL_FOLDINGS =
${wrap(full.map((folding) => folding.map(base36).join(",")))};

/** Code points that Unicode 12.1 does not assign: ranges of \`start, length - 1\`; a start counts from the end before. */
export const UNASSIGNED =
${wrap(packUnassigned(assigned))};
`);
