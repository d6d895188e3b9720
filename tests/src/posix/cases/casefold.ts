/** Directories in which names are found in any case. */
import assert from "node:assert/strict";
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmdirSync, unlinkSync } from "node:fs";
import { getInodeFlags, lstatx, Rename, rename, setInodeFlags } from "@bulkhead/linux";
import { O } from "../calls.js";
import { group, needing, type Run } from "../case.js";
import { refused } from "../expect.js";
import { Needs } from "../facts.js";
import type { Subject } from "../subject.js";

const CASEFOLD = 0x4000_0000;

/** Makes an empty directory in which case does not matter. */
function folded(s: Subject, name = "folded"): string {
  const path = s.folder(name);
  const fd = s.open(path, O.RDONLY);
  setInodeFlags(fd, (getInodeFlags(fd) | CASEFOLD) >>> 0);
  return path;
}

const asked = (run: Run) => needing(Needs.casefold, run);

export const casefold = group("casefold", {
  "a name is found in any case, and listed as it was given": asked((s) => {
    const path = folded(s);
    s.file("folded/Stra\u00dfe", "contents");
    for (const name of ["stra\u00dfe", "STRASSE", "strasse", "Stra\u00dfe"]) {
      assert.equal(readFileSync(`${path}/${name}`, "latin1"), "contents", name);
    }
    assert.deepEqual(readdirSync(path), ["Stra\u00dfe"]);
  }),
  "composed and decomposed letters are the same": asked((s) => {
    const path = folded(s);
    s.file("folded/\u00c4");
    assert.equal(lstatx(`${path}/a\u0308`).ino, lstatx(`${path}/\u00c4`).ino);
  }),
  "case matters elsewhere": asked((s) => {
    s.file("Name");
    assert.equal(existsSync(s.path("name")), false);
    s.file("name");
    assert.equal(readdirSync(s.directory).length, 2);
  }),
  "EEXIST for a name of which only the case is another": asked((s) => {
    const path = folded(s);
    s.file("folded/Name");
    refused("EEXIST", () => s.open(`${path}/NAME`, O.CREAT | O.EXCL | O.WRONLY));
    refused("EEXIST", () => mkdirSync(`${path}/name`));
    refused("EEXIST", () => linkSync(`${path}/Name`, `${path}/nAME`));
  }),
  "what was not there is there once it is made, whatever its case": asked((s) => {
    const path = folded(s);
    assert.equal(existsSync(`${path}/name`), false);
    s.file("folded/NAME");
    assert.equal(existsSync(`${path}/name`), true);
    assert.equal(existsSync(`${path}/Name`), true);
  }),
  "removing it removes it in every case": asked((s) => {
    const path = folded(s);
    s.file("folded/Name");
    for (const name of ["name", "NAME", "Name"]) assert.equal(existsSync(`${path}/${name}`), true);
    unlinkSync(`${path}/nAme`);
    for (const name of ["name", "NAME", "Name"]) assert.equal(existsSync(`${path}/${name}`), false);
    rmdirSync(path);
  }),
  "rename onto a name replaces it, whatever its case": asked((s) => {
    const path = folded(s);
    s.file("folded/Old", "old");
    s.file("folded/New", "new");
    rename(`${path}/new`, `${path}/OLD`);
    assert.equal(readdirSync(path).length, 1);
    assert.equal(readFileSync(`${path}/old`, "latin1"), "new");
  }),
  "what comes from where case matters is gone in every case once it is removed": asked((s) => {
    const path = folded(s);
    s.file("Name");
    rename(s.path("Name"), `${path}/Name`);
    unlinkSync(`${path}/nAME`);
    assert.equal(existsSync(`${path}/Name`), false);
    s.file("folded/Name", "new");
    assert.equal(readFileSync(`${path}/name`, "latin1"), "new");
  }),
  "what is exchanged with a name elsewhere is gone in every case once it is removed": asked((s) => {
    const path = folded(s);
    for (const name of ["Here", "There", "folded/Inside", "folded/Within"]) s.file(name);
    rename(s.path("Here"), `${path}/Inside`, Rename.EXCHANGE);
    rename(`${path}/Within`, s.path("There"), Rename.EXCHANGE);
    for (const name of ["inside", "within"]) unlinkSync(`${path}/${name}`);
    for (const name of ["Inside", "Within"]) assert.equal(existsSync(`${path}/${name}`), false, name);
  }),
  "what a directory did not hold is found in any case after it has become such a one": asked((s) => {
    assert.equal(existsSync(`${s.folder("folded")}/Name`), false);
    const fd = s.open(s.path("folded"), O.RDONLY);
    setInodeFlags(fd, (getInodeFlags(fd) | CASEFOLD) >>> 0);
    s.file("folded/name");
    assert.equal(existsSync(s.path("folded/Name")), true);
  }),
  "a new directory inherits it": asked((s) => {
    const path = folded(s);
    mkdirSync(`${path}/child`);
    s.file("folded/child/Name");
    assert.equal(existsSync(`${path}/CHILD/name`), true);
  }),
  "ENOTEMPTY for changing how the names of a directory compare while it has any": asked((s) => {
    const fd = s.open(s.folder("folder"), O.RDONLY);
    s.file("folder/Name");
    refused("ENOTEMPTY", () => setInodeFlags(fd, (getInodeFlags(fd) | CASEFOLD) >>> 0));
  }),
  "many names, and each in any case": asked((s) => {
    const path = folded(s);
    for (let i = 0; i < 300; i++) s.file(`folded/Name-${i}-${"x".repeat(40)}`);
    for (let i = 0; i < 300; i += 7) assert.equal(existsSync(`${path}/nAME-${i}-${"X".repeat(40)}`), true);
    assert.equal(readdirSync(path).length, 300);
  }),
});
