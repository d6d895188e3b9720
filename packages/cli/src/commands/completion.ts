import { suggestion } from "@bulkhead/server/options/suggestion";
import type { GivenArguments } from "../command-line/declaration.js";
import { UsageError } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import { completionScript, shells } from "../documentation/completion.js";
import { print } from "../output/output.js";

export function run(given: GivenArguments): number {
  const written = given.positionals[0]!;
  const shell = shells.find((known) => known === written);
  if (shell === undefined) {
    throw new UsageError(
      `no completion for ${written}${suggestion(written, shells)}; there is one for ${shells.join(", ")}`,
    );
  }
  print(completionScript(shell));
  return ExitCode.success;
}
