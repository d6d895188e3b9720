import { stringToName } from "@bulkhead/ext4/names";

/** A path on the host, as the system takes it: of Node's strings, bytes that are no UTF-8 would be lost. */
export function hostPath(text: string): Buffer {
  return Buffer.from(stringToName(text));
}
