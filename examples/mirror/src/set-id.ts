import { Capability, withoutCapabilities } from "@bulkhead/linux";

/**
 * Runs `work` without CAP_FSETID, which lets set-user-id and set-group-id bits survive writing and truncating. HANDLE_KILLPRIV_V2
 * makes this our business, and in return the kernel does not ask for `security.capability` before every single write.
 */
export function withoutSetIdPower<T>(work: () => T): T {
  return withoutCapabilities([Capability.FSETID], work);
}
