/** Requests that would change the file system. */
import type { OperationName, RequestParts } from "@bulkhead/fuse";

const name = new Uint8Array([0x6e]);
const one = new Uint8Array(1);

function request<K extends OperationName>(operation: K, parts: RequestParts<K>): readonly [OperationName, object] {
  return [operation, parts];
}

export const writingOperations = [
  request("SETATTR", {}),
  request("SYMLINK", { names: [name, name] }),
  request("MKNOD", { names: [name] }),
  request("MKDIR", { names: [name] }),
  request("UNLINK", { names: [name] }),
  request("RMDIR", { names: [name] }),
  request("RENAME", { names: [name, name] }),
  request("RENAME2", { names: [name, name] }),
  request("LINK", { names: [name] }),
  request("WRITE", { request: { size: 1 }, data: one }),
  request("CREATE", { names: [name] }),
  request("TMPFILE", { names: [name] }),
  request("SETXATTR", { request: { size: 1 }, names: [name], data: one }),
  request("REMOVEXATTR", { names: [name] }),
  request("FALLOCATE", {}),
  request("COPY_FILE_RANGE", {}),
  request("COPY_FILE_RANGE_64", {}),
];
