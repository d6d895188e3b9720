/** What the kernel's cache does for a mount. */
export const KERNEL_CACHE = {
  /** The largest request that FUSE sends with its default limits. */
  readAheadKb: 1024,
  /** So much of what is written may wait: then the server is at work while more comes, and an unmount does not take for ever. */
  dirtyBytes: 128 * 1024 * 1024,
} as const;
