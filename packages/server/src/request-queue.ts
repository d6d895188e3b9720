import { Poll, PollSet } from "@bulkhead/linux";

const queue = new PollSet(1);

/** Whether requests wait at a connection: what has to be waited for then holds somebody up. */
export function othersWait(connection: number): boolean {
  queue.set(0, connection, Poll.IN);
  return queue.poll(0) > 0;
}
