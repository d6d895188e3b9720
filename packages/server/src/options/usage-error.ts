/** What a caller asked for is wrong: one line says what, and what to do. */
export class UsageError extends Error {
  readonly code = "ERR_BULKHEAD_USAGE";
}
