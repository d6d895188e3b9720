import { CorruptionError, DeviceError, FileSystemError, UnsupportedFeatureError } from "@bulkhead/ext4";

/** Errors that are an answer: the caller's mistakes, and what recordError has logged already. Others are mistakes of ours. */
export function isExpected(error: unknown): boolean {
  return (
    error instanceof FileSystemError ||
    error instanceof CorruptionError ||
    error instanceof DeviceError ||
    error instanceof UnsupportedFeatureError
  );
}
