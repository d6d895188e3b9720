import { FuseEntryOut, FuseInHeader, FuseOutHeader, operations, type Session } from "@bulkhead/fuse/protocol";
import { Progress } from "./notes.js";

const EIO = -5;
/** FALLOC_FL_COLLAPSE_RANGE and FALLOC_FL_INSERT_RANGE: done twice, they are not the same as done once. */
const SHIFTING = 0x28;
const FALLOCATE_MODE = FuseInHeader.size + 24;

const { opcode: OPCODE, len: LENGTH } = FuseInHeader.offset;
const UNIQUE = FuseInHeader.offset.unique;
const NODEID = FuseOutHeader.size + FuseEntryOut.offset.nodeid;
const encoder = new Uint8Array(FuseInHeader.size + 256);

/**
 * Answers a request that a server before has done, in whole or in part, but not answered, in so far as doing it again is not the same.
 *
 * @returns bytes of the session's reply; 0: it is to be done as if it were new
 */
export function answerAgain(
  session: Pick<Session, "handle" | "reply">,
  request: Uint8Array,
  length: number,
  view: DataView,
  progress: number,
): number {
  const { UNLINK, RMDIR, RENAME, RENAME2, SETXATTR, REMOVEXATTR, FALLOCATE, MKNOD, MKDIR, SYMLINK, LINK } = operations;
  const isDone = progress === Progress.done;
  switch (view.getUint32(OPCODE, true)) {
    case UNLINK.opcode:
    case RMDIR.opcode:
    case RENAME.opcode:
    case RENAME2.opcode:
    case SETXATTR.opcode:
    case REMOVEXATTR.opcode:
      return isDone ? answer(session.reply, view, 0) : 0;
    case FALLOCATE.opcode:
      if (isDone) return answer(session.reply, view, 0);
      return (view.getUint32(FALLOCATE_MODE, true) & SHIFTING) === 0 ? 0 : answer(session.reply, view, EIO);
    case MKNOD.opcode:
      return lookUp(session, request, length, FuseInHeader.size + MKNOD.struct.size);
    case MKDIR.opcode:
      return lookUp(session, request, length, FuseInHeader.size + MKDIR.struct.size);
    case LINK.opcode:
      return lookUp(session, request, length, FuseInHeader.size + LINK.struct.size);
    case SYMLINK.opcode:
      return lookUp(session, request, length, FuseInHeader.size);
    default:
      return 0;
  }
}

/** A reply without a payload. @returns its length */
export function answer(reply: Uint8Array, request: DataView, error: number): number {
  const out = new DataView(reply.buffer, reply.byteOffset, FuseOutHeader.size);
  out.setUint32(FuseOutHeader.offset.len, FuseOutHeader.size, true);
  out.setInt32(FuseOutHeader.offset.error, error, true);
  out.setUint32(FuseOutHeader.offset.unique, request.getUint32(UNIQUE, true), true);
  out.setUint32(FuseOutHeader.offset.unique + 4, request.getUint32(UNIQUE + 4, true), true);
  return FuseOutHeader.size;
}

/** What was made has its name already: the answer is that of a look-up, or 0 when there is no such name. */
function lookUp(session: Pick<Session, "handle" | "reply">, request: Uint8Array, length: number, name: number): number {
  const end = request.indexOf(0, name) + 1;
  const bytes = FuseInHeader.size + end - name;
  if (end === 0 || end > length || bytes > encoder.length) return 0;
  encoder.set(request.subarray(0, FuseInHeader.size));
  encoder.set(request.subarray(name, end), FuseInHeader.size);
  const view = new DataView(encoder.buffer);
  view.setUint32(LENGTH, bytes, true);
  view.setUint32(OPCODE, operations.LOOKUP.opcode, true);
  view.setUint16(FuseInHeader.offset.total_extlen, 0, true);
  const reply = session.handle(encoder, bytes);
  const out = new DataView(session.reply.buffer, session.reply.byteOffset);
  // That a name is not there is answered by an entry without a node.
  const isThere = reply > FuseOutHeader.size && out.getUint32(NODEID, true) !== 0;
  return isThere ? reply : 0;
}
