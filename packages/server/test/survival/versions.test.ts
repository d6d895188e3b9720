// Oracle: none but the rule: what a server has not kept itself, and does not understand, it does not go on with.
import assert from "node:assert/strict";
import { it } from "node:test";
import { close } from "@bulkhead/linux";
import { SurvivalMemory } from "../../src/survival/memory.js";
import { createSurvivalMemory } from "../../src/survival/memory-file.js";
import { RequestRecord } from "../../src/survival/request-record.js";
import { Survival } from "../../src/survival/survival.js";

/** Where the memory says which version it is of: of the engine's part, and of the rest. */
const places = {
  engine: ({ changes }: SurvivalMemory) => changes.setNumber(0, 7),
  requests: ({ requests }: SurvivalMemory) => new Float64Array(requests.buffer, requests.byteOffset).fill(7, 8, 9),
};

it("a server goes on where one of the same version was, and not where one of another was", () => {
  for (const foreign of [undefined, places.engine, places.requests]) {
    const fd = createSurvivalMemory();
    try {
      const memory = new SurvivalMemory(fd);
      new RequestRecord(memory.requests).keepInit(new Uint8Array(104));
      foreign?.(memory);
      if (foreign === undefined) assert.ok(new Survival(fd).goesOn);
      else assert.throws(() => new Survival(fd), /another version/);
    } finally {
      close(fd);
    }
  }
});
