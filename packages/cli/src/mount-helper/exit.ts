/** How mount helpers end; mount(8) ends with the same. */
export const HelperExit = {
  mounted: 0,
  usage: 1,
  noService: 2,
  interrupted: 8,
  failed: 32,
} as const;

/** What the man pages say of them. */
export const helperExitMeanings: Readonly<Record<string, string>> = {
  [HelperExit.mounted]: "Mounted; with --check, there is a service that the caller may use.",
  [HelperExit.usage]: "The arguments are wrong, and nothing was done; with --check, there is no such service.",
  [HelperExit.noService]: "mount.safe: there is no service for this type, and nothing was done.",
  [HelperExit.interrupted]: "Interrupted.",
  [HelperExit.failed]: "The mount failed; lines on standard error say why.",
  others: "mount.safe: what the service ended with.",
};
