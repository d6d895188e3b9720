/** The errno values the dispatcher itself answers with, negative as in a reply. */
export const EIO = -5;
export const EINVAL = -22;
export const ERANGE = -34;
export const ENOSYS = -38;
export const EPROTO = -71;

/** The smallest error the kernel accepts in a reply. */
export const LOWEST_ERROR = -511;

/**
 * What a handler returns when the reply comes later, after it took {@link Context.defer}'s token. No errno and no
 * length.
 */
export const DEFERRED = -0x1000_0000;
