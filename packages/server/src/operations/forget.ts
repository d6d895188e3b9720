import type { Handlers } from "@bulkhead/fuse";
import type { Ext4Server } from "../server.js";

/** FORGET and BATCH_FORGET: what has no name any more and is forgotten is deleted. */
export function forgetOperations(server: Ext4Server) {
  return {
    FORGET(context, request) {
      server.forget(context.nodeid, request.nlookup);
      return 0;
    },

    BATCH_FORGET(_context, _request, list) {
      for (let index = 0; index < list.length; index++) {
        const { nodeid, nlookup } = list.get(index);
        server.forget(nodeid, nlookup);
      }
      return 0;
    },
  } satisfies Handlers;
}
