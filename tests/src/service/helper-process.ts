/** A helper in a process of its own: options as JSON in, result as JSON out. With `launch`, the command of a server to start. */
import { type HelperOptions, launchServer, runHelper } from "@bulkhead/service";

type Given = Omit<HelperOptions, "server"> & { readonly launch?: readonly string[] };

const { launch, ...options } = JSON.parse(process.argv[2] ?? "{}") as Given;
const server = launch === undefined ? undefined : launchServer({ command: launch, stderr: "ignore" });
const started = performance.now();
const result = await runHelper({ ...options, ...(server === undefined ? {} : { server }) });
server?.release();
process.stdout.write(JSON.stringify({ ...result, milliseconds: performance.now() - started }));
process.exitCode = result.exitCode;
