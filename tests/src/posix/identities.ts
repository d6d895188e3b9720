/** The people of the suite. Nobody else has these numbers, and no account is needed for them. */
import { actAs, type Identity } from "@bulkhead/linux";

export const ALICE: Identity = { uid: 2001, gid: 2001 };
export const BOB: Identity = { uid: 2002, gid: 2002 };
/** A group whose member `TEAMMATE` is; her first group is another. */
export const TEAM = 2100;
export const TEAMMATE: Identity = { uid: 2003, gid: 2003, groups: [TEAM] };

/** Who has hard limits where there is quota, see `prepare.ts`; and a group that has, with a member. */
export const LIMITED: Identity = { uid: 2004, gid: 2004 };
export const LIMITED_GROUP = 2101;
export const MEMBER: Identity = { uid: 2005, gid: LIMITED_GROUP };

/** Root, without some of its capabilities. */
export function rootWithout(...without: readonly number[]): Identity {
  return { uid: 0, gid: 0, without };
}

/** Runs `work`, which must be synchronous, as someone else: this thread, for as long as it lasts. */
export function as<T>(who: Identity, work: () => T): T {
  return actAs(who, work);
}
