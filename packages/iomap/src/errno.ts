/** Errors that the host answers with, negated. Numbers of Linux. */
export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const ENOTBLK = 15;
export const EBUSY = 16;
export const ENODEV = 19;
export const EINVAL = 22;
export const ETXTBSY = 26;
export const EFBIG = 27;
export const ENOSPC = 28;
export const EROFS = 30;
export const EDEADLK = 35;
export const ENOSYS = 38;
export const ENODATA = 61;
export const EOPNOTSUPP = 95;
export const ECONNABORTED = 103;
export const ENOTCONN = 107;
export const ESTALE = 116;
/** Also EFSCORRUPTED: the other side broke the rules. */
export const EUCLEAN = 117;
