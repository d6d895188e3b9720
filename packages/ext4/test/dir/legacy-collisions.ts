import { DirectoryHash } from "../../src/dir/hash.js";
import { HashVersion } from "../../src/format/directory.js";

/**
 * Numbers with four bytes after them: the number, padded with "p" to 207 bytes, and the four bytes have one legacy hash. Found by
 * going through the first two bytes and the last; the third then follows.
 */
const FOUND =
  "9bTFn 252UR5I 3944XUp 465P1Z5 639ogz9 645mU1U 696Dxe9 854DmF0 1139WhFk 1167kThP 17477won 2104scgr 2136LdjK " +
  "2244z8z3 2428NAfo 25345CTL 29215DcX 2932KiDK 2968gXTK 3198u4A8 3292fAWc 3583pxhE 3752rM55 4002o4tq 4290cz3G " +
  "4395Mo1b 4437vY67 4512CFJk 47075hlG 5065AQ6p 5073cWY3 5118METx 51253NUr 5322ACrR 5338cO3P 5530kvWa 55890pgW " +
  "5767EBu1 5949LWdl 60890Y29 6204MsJO 6250vAfh 6524PfHA 65752g2f 6671xt4T 6898WqKt 72055aa4 74257mw8 7438kdMG " +
  "74770Uf1 7528Xogn 7744fORY 77798sgi 7781rlaw 7902WM2R 7954HVwT 80751gjc 8115c8yV 8309CPVh 8634lesG 8675XqzX " +
  "8703UEUq 8908Aqyw 8915nxXK 9182YPze 9336U7cx 9359wN6u 10118mWOs 10220A1IH 102666Qvc 10312SJVy 10421MzCF " +
  "10563zl7N 10784L5RP 113046ag8 11352MYr2 11480kuJY 11750FvZa 11840w2zs 11902InKw";

/** 80 names of 211 bytes with equal legacy hashes. */
export function collidingNames(): string[] {
  return FOUND.split(" ").map((found) => found.slice(0, -4).padEnd(207, "p") + found.slice(-4));
}

const hash = new DirectoryHash(new Uint8Array(16));

/** The hash that a directory is ordered by. */
export function legacyMajor(name: string): number {
  const bytes = Buffer.from(name, "latin1");
  hash.compute(HashVersion.legacy, bytes, 0, bytes.length);
  return hash.major;
}
