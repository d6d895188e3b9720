import { Extensions, type SecurityContext } from "./extensions.js";
import { type Row, replyBounds } from "./operations.js";
import type { DeferredReply } from "./reply.js";
import { FuseInHeader } from "./structs.js";

/** Who asks, about what. One per session, moved from request to request: keep nothing of it. */
export class Context {
  /** The request's header. */
  readonly header = FuseInHeader.view();
  /** @internal */
  readonly extensions = new Extensions();
  /** @internal The operation's row. */
  row: Row | undefined = undefined;
  /** @internal Limit of the reply's variable part. */
  limit = 0;
  /** @internal */
  token: DeferredReply | undefined = undefined;

  get opcode(): number {
    return this.header.opcode;
  }
  /** Low half of the request's opaque id; bit 0 is clear, the INTERRUPT of it has it set. */
  get uniqueLo(): number {
    return this.header.uniqueLo;
  }
  /** High half; its bit 31 marks a request sent again. */
  get uniqueHi(): number {
    return this.header.uniqueHi;
  }
  /** The object acted on; for operations with a name usually its parent. */
  get nodeid(): number {
    return this.header.nodeid;
  }
  /** fsuid of the caller; 0 where there is no caller, 0xffffffff on idmapped mounts where it is not given. */
  get uid(): number {
    return this.header.uid;
  }
  /** fsgid of the caller, as {@link uid}. */
  get gid(): number {
    return this.header.gid;
  }
  /** Thread id of the caller, 0 when it is outside the connection's pid namespace. */
  get pid(): number {
    return this.header.pid;
  }
  /** Xattrs a new object must be born with (SECURITY_CTX). */
  get securityContexts(): readonly SecurityContext[] {
    return this.extensions.securityContexts;
  }
  /** The caller's supplementary group that matters for this creation (CREATE_SUPP_GROUP). */
  get groups(): readonly number[] {
    return this.extensions.groups;
  }

  /**
   * Takes over the duty to reply. The handler then returns {@link DEFERRED}, and whoever has the token answers later.
   * Calling it twice gives the same token.
   */
  defer(): DeferredReply {
    if (this.row === undefined) throw new Error("no request to defer");
    this.token ??= {
      opcode: this.opcode,
      uniqueLo: this.uniqueLo,
      uniqueHi: this.uniqueHi,
      ...replyBounds(this.row, this.limit),
      answered: false,
    };
    return this.token;
  }
}
