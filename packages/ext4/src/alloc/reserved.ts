import type { Volume } from "../volume.js";

/** Who asks for space. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  /** Whether the process has CAP_SYS_RESOURCE, as root. */
  readonly privileged: boolean;
}

/** Whether somebody may use the reserved blocks (s_r_blocks_count): root, s_def_resuid and s_def_resgid. */
export function mayUseReserved({ superblock }: Volume, { uid, gid, privileged }: Credentials): boolean {
  return (
    privileged ||
    uid === superblock.defaultResuid ||
    (superblock.defaultResgid !== 0 && gid === superblock.defaultResgid)
  );
}
