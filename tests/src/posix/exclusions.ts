/** What Linux's FUSE cannot carry, whatever its server does: cases that our mount is not asked, and why. */
export const EXCLUSIONS: Readonly<Record<string, string>> = {};
