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
/** What the example of a session takes for granted. */
const GIVEN = `
declare const HELLO: Uint8Array, ENOENT: number, request: Uint8Array, requestLength: number;
declare const readInto: (window: Uint8Array, offset: number, size: number) => number;
declare const transport: { send(reply: Uint8Array, length: number): void };
`;

/** The blocks that begin with an import: the others are pieces of programs. */
function programsIn(readme: string): string[] {
  const blocks = readFileSync(join(root, readme), "utf8").matchAll(/^```ts\n(import .*?)^```$/gms);
  return [...blocks].map(([, program = ""]) => program);
}

after(() => rmSync(directory, { recursive: true, force: true }));

it("the programs in the READMEs compile", () => {
  const readmes = ["README.md", ...readdirSync(join(root, "packages")).map((name) => `packages/${name}/README.md`)];
  const programs = readmes.filter((readme) => existsSync(join(root, readme))).flatMap(programsIn);
  assert.ok(programs.length >= 4, `${programs.length} programs were found`);
  mkdirSync(directory, { recursive: true });
  for (const [number, program] of programs.entries()) {
    writeFileSync(join(directory, `${number}.ts`), program + GIVEN);
  }
  const lenient = { noUnusedLocals: false, noUnusedParameters: false };
  const compilerOptions = { ...lenient, noEmit: true, composite: false, types: ["node"] };
  const settings = { extends: "../../../tsconfig.base.json", compilerOptions, include: ["*.ts"] };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(settings));
  run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "--project", directory]);
});
