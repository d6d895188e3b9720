// Installs and builds what is missing or stale. Plain JavaScript without dependencies: it runs on a fresh clone.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command in the checkout with its output shown; ends this process with its exit code when it fails. */
export function must(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (result.error) {
    console.error(`bulkhead: cannot run ${command}: ${result.error.message}`);
    process.exit(1);
  }
  if (result.status !== 0) process.exit(result.status ?? 1);
}

function installed() {
  const marker = join(root, "node_modules", ".package-lock.json");
  return existsSync(marker) && statSync(marker).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;
}

/** Brings node_modules and the build up to date. */
export function prepare() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`bulkhead: Node ${process.versions.node} is too old; 20.19 or newer is needed`);
    process.exit(1);
  }
  if (!installed()) {
    console.log("Installing dependencies (npm ci)…");
    must("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  }
  console.log("Building…");
  must(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "--build"]);
  must(process.execPath, [join(root, "scripts", "bundle.mjs")]);
}
