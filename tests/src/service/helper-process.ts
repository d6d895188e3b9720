/** A helper in a process of its own: options as JSON in, result as JSON out. */
import { type HelperOptions, runHelper } from "@bulkhead/service";

const options = JSON.parse(process.argv[2] ?? "{}") as HelperOptions;
const result = await runHelper(options);
process.stdout.write(JSON.stringify(result));
process.exitCode = result.exitCode;
