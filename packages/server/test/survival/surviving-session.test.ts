import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeRequest, Session } from "@bulkhead/fuse";
import { RequestRecord } from "../../src/survival/request-record.js";
import { SurvivingSession } from "../../src/survival/surviving-session.js";

const ENOSPC = -28;
const UNIQUE = 42;
/** In the high half of a request's number: the kernel sends it again. */
const RESENT = 0x8000_0000;

describe("a session that goes on with another's", () => {
  it("takes the look-ups of an answer that was never sent back once, however often the request is tried", () => {
    const forgotten: number[] = [];
    let tried = 0;
    const handlers = {
      LINK: () => {
        tried++;
        return ENOSPC;
      },
    };
    const negotiated = {
      ...{ minor: 45, kernelMinor: 45, flags: 0, flags2: 0, offered: 0, offered2: 0 },
      ...{ maxWrite: 4096, maxPages: 1, maxReadahead: 0, timeGran: 1, maxStackDepth: 0, requestTimeout: 0 },
    };
    const session = new SurvivingSession(
      new Session(handlers, { negotiated }),
      new RequestRecord(new Uint8Array(128 * 1024)),
      undefined,
      (ino) => forgotten.push(ino),
      () => {},
      { notes: new Map(), last: { unique: UNIQUE, added: [15, 16] }, deaths: 1 },
    );
    const request = new Uint8Array(200);
    const header = { uniqueLo: UNIQUE, uniqueHi: RESENT, nodeid: 1 };
    const parts = { request: { oldnodeid: 15 }, names: [Buffer.from("name")] as const };
    const length = encodeRequest(request, "LINK", header, parts);
    for (let n = 0; n < 2; n++) session.handle(request, length);
    assert.equal(tried, 2);
    assert.deepEqual(forgotten, [15, 16]);
  });
});
