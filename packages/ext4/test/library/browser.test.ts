// The library, bundled for a browser's worker, reads a real image in a context that has nothing of Node's.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { ImageDirectory, missingTool, run } from "../images.js";

const entry = fileURLToPath(new URL("../../src/index.js", import.meta.url));

async function bundle(): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "bulkhead",
    platform: "browser",
    metafile: true,
    minifyWhitespace: true, // and no comments, which may speak of Node
    logLevel: "silent",
  });
  for (const [path, input] of Object.entries(result.metafile.inputs)) {
    for (const imported of input.imports) assert.ok(!imported.external, `${path} imports ${imported.path}`);
  }
  return result.outputFiles[0]!.text;
}

describe("the library in a browser's worker", () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  it("bundles without anything of Node's, which a bundle for browsers would refuse", async () => {
    await assert.rejects(
      build({
        stdin: { contents: 'import "node:fs"' },
        bundle: true,
        write: false,
        platform: "browser",
        logLevel: "silent",
      }),
    );
    const code = await bundle();
    assert.doesNotMatch(code, /\brequire\(|\bnode:|\bprocess\.|\bBuffer\b/);
  });

  it("reads an image through a Blob", { skip: missingTool("mke2fs") ?? false }, async () => {
    const image = images.make("image", "8M", ["-t", "ext4"]);
    run("debugfs", ["-w", "-R", "mkdir dir", image]);
    run("debugfs", ["-w", "-R", "write /etc/passwd dir/passwd", image]);
    const bytes = fs.readFileSync(image);
    const blob = {
      size: bytes.length,
      slice: (start: number, end: number) => ({ size: end - start, bytes: bytes.subarray(start, end) }),
    };
    // What a worker has, as far as the library needs it; the language's own globals come with the context.
    const context = createContext({ blob, TextDecoder, TextEncoder, crypto, console: { log() {} } });
    runInContext(
      `globalThis.FileReaderSync = class {
        readAsArrayBuffer({ bytes }) { const copy = new Uint8Array(bytes.length); copy.set(bytes); return copy.buffer; }
      };`,
      context,
    );
    runInContext(await bundle(), context);
    const found = runInContext(
      `const ext4 = bulkhead.Ext4.open(new bulkhead.BlobDevice(blob, new FileReaderSync()));
       const names = [...ext4.readDirectory("/")].map((entry) => entry.name).sort();
       const text = new TextDecoder().decode(ext4.readFile("/dir/passwd"));
       JSON.stringify({ names, text, node: typeof process + typeof require + typeof Buffer })`,
      context,
    );
    assert.deepEqual(JSON.parse(found), {
      names: ["dir", "lost+found"],
      text: fs.readFileSync("/etc/passwd", "utf8"),
      node: "undefinedundefinedundefined",
    });
  });
});
