import { actAs, Capability } from "@bulkhead/linux";

/**
 * Runs `work` without CAP_FSETID, which lets set-user-id and set-group-id bits survive writing and truncating. HANDLE_KILLPRIV_V2
 * makes this our business, and in return the kernel does not ask for `security.capability` before every single write.
 */
export function withoutSetIdPower<T>(work: () => T): T {
  if (process.getuid?.() !== 0) return work();
  return actAs({ uid: 0, gid: 0, without: [Capability.FSETID] }, work);
}
