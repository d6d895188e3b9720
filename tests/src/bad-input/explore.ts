/** Does everything that can be done with an image, and sorts what goes wrong into what may and what must not. */
import {
  type BlockDevice,
  CorruptionError,
  type CorruptionKind,
  FileSystem,
  type Inode,
  isEngineError,
  MappingType,
  orphans,
} from "@bulkhead/ext4";

/** What an exploration found. */
export interface Findings {
  /** Kinds of corruption, each once. */
  readonly kinds: Set<CorruptionKind>;
  /** The first of them, with their evidence. */
  readonly errors: CorruptionError[];
  /** Whether the file system could be opened at all. */
  opened: boolean;
  inodes: number;
  entries: number;
}

/** Bounds of one exploration: a damaged directory may name itself, and a damaged size may be 16 TiB. */
const MAX_INODES = 500;
const MAX_ENTRIES = 5000;
const MAX_MAPPINGS = 200;
const MAX_ERRORS = 50;
const NOTHING = new Uint8Array(0);

/** Notes an error of the engine's that an image may well provoke. @throws any other one */
export function recordFinding(findings: Findings, error: unknown): void {
  if (error instanceof CorruptionError) {
    if (error.evidence === "") throw new Error(`no evidence for ${error.kind}`);
    findings.kinds.add(error.kind);
    if (findings.errors.length < MAX_ERRORS) findings.errors.push(error);
  } else if (!isEngineError(error)) {
    throw error;
  }
}

/**
 * Walks the whole tree of the image on `device`.
 *
 * @param contents whether to read files' data as well as their maps
 * @throws whatever is neither a result nor one of the engine's typed errors: that is the bug being looked for
 */
export function explore(device: BlockDevice, contents = true): Findings {
  const findings: Findings = { kinds: new Set(), errors: [], opened: false, inodes: 0, entries: 0 };
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      recordFinding(findings, error);
      return undefined;
    }
  };

  const fs = attempt(() => FileSystem.mount(device, { cacheBytes: 256 * 1024 }));
  if (fs === undefined) return findings;
  findings.opened = true;
  attempt(() => fs.statfs());
  attempt(() => orphans(fs.volume));
  const seen = new Set<number>();
  const pending = [2];
  const data = new Uint8Array(4096);
  for (let ino = pending.pop(); ino !== undefined && seen.size < MAX_INODES; ino = pending.pop()) {
    if (seen.has(ino)) continue;
    seen.add(ino);
    const number = ino;
    const inode = attempt(() => fs.inode(number));
    if (inode === undefined) continue;
    findings.inodes++;
    const names = attempt(() => fs.listXattrs(inode)) ?? [];
    for (const name of names.slice(0, 100)) attempt(() => fs.getXattr(inode, name));
    if (inode.isSymlink) attempt(() => fs.readLink(inode));
    if (inode.isRegular) attempt(() => readMappings(fs, inode, contents ? data : NOTHING));
    if (inode.isDirectory) {
      const children: number[] = [];
      attempt(() =>
        fs.readDirectory(inode, 0, 0, (child, _type, bytes, start, length) => {
          children.push(child);
          findings.entries++;
          const name = bytes.slice(start, start + length);
          attempt(() => fs.lookup(inode, name));
          return findings.entries < MAX_ENTRIES;
        }),
      );
      attempt(() => fs.lookup(inode, new TextEncoder().encode("a name that is not there")));
      pending.push(...children);
    }
  }
  return findings;
}

function readMappings(fs: FileSystem, inode: Inode, data: Uint8Array): void {
  const mapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
  let pos = 0;
  for (let step = 0; pos < inode.size && step < MAX_MAPPINGS; step++) {
    fs.iomapBegin(inode, pos, inode.size - pos, 0, mapping);
    const end = mapping.offset + mapping.length;
    if (!(mapping.offset <= pos && end > pos))
      throw new Error(`mapping ${mapping.offset}+${mapping.length} for ${pos}`);
    if (mapping.type === MappingType.mapped)
      fs.device.read(mapping.addr, data.subarray(0, Math.min(data.length, end - pos)));
    if (mapping.type === MappingType.inline) fs.inlineData(inode);
    pos = end;
  }
}
