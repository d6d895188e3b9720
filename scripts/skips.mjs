// A reporter for node:test that lists the skipped tests, one a line, with their reasons.
export default async function* skips(source) {
  for await (const event of source) {
    if (event.type !== "test:pass" || event.data.skip === undefined) continue;
    const reason = typeof event.data.skip === "string" ? event.data.skip : "no reason given";
    yield `  ${event.data.name}: ${reason}\n`;
  }
}
