/** What the kernel's cache does for a mount. */
export const KERNEL_CACHE = {
  /** Four of the largest requests that FUSE sends with its default limits: one is on its way to the reader, and others wait here meanwhile. */
  readAheadKb: 4096,
  /** So much of what is written may wait: then the server is at work while more comes, and an unmount does not take for ever. */
  dirtyBytes: 128 * 1024 * 1024,
} as const;
