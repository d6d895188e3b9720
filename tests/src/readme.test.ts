// Oracle: the compiler, on the programs that the READMEs show.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, it } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "./system/process.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** In the repository, where packages are found. */
const directory = join(root, "tests", "dist", "readme");
/** What the examples take for granted, where they do not say themselves what it is. */
const GIVEN: Readonly<Record<string, string>> = {
  ...{ HELLO: "Uint8Array", ENOENT: "number", request: "Uint8Array", requestLength: "number" },
  readInto: "(window: Uint8Array, offset: number, size: number) => number",
  transport: "{ send(reply: Uint8Array, length: number): void }",
  fetchRange: "(url: string, offset: number, size: number) => Promise<Uint8Array>",
  // The other halves of the conversations with a mapping server and a mount service.
  ...{ server: "any", device: "any", reply: "any", openFileSystem: "any", read: "any", write: "any", give: "any" },
  ...{ source: "any", target: "Uint8Array", buffer: "Uint8Array", bytes: "Uint8Array", mountPoint: "string" },
  ...{ inode: "any", nodeid: "number", ino: "number", size: "number", pos: "number", length: "number" },
  ...{ mode: "number", offset: "number", done: "(result: number) => void" },
};

/** Declarations of what a program takes for granted. */
function givenFor(program: string): string {
  const lacks = (name: string) => !new RegExp(`^(const|let) ${name}\\b`, "m").test(program);
  const declared = Object.entries(GIVEN).filter(([name]) => lacks(name));
  return declared.map(([name, type]) => `declare const ${name}: ${type};`).join("\n");
}

/** The blocks that begin with an import: the others are pieces of programs. */
function programsIn(readme: string): string[] {
  const blocks = readFileSync(join(root, readme), "utf8").matchAll(/^```ts\n(import .*?)^```$/gms);
  return [...blocks].map(([, program = ""]) => program);
}

after(() => rmSync(directory, { recursive: true, force: true }));

it("the programs in the READMEs compile", () => {
  const readmes = ["README.md", ...readdirSync(join(root, "packages")).map((name) => `packages/${name}/README.md`)];
  const programs = readmes.filter((readme) => existsSync(join(root, readme))).flatMap(programsIn);
  assert.ok(programs.length >= 9, `${programs.length} programs were found`);
  mkdirSync(directory, { recursive: true });
  for (const [number, program] of programs.entries()) {
    writeFileSync(join(directory, `${number}.ts`), program + givenFor(program));
  }
  const lenient = { noUnusedLocals: false, noUnusedParameters: false };
  const compilerOptions = { ...lenient, noEmit: true, composite: false, types: ["node"] };
  const settings = { extends: "../../../tsconfig.base.json", compilerOptions, include: ["*.ts"] };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(settings));
  run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "--project", directory]);
});
