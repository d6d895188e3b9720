interface Listening {
  readonly all: Set<() => void>;
  readonly tell: () => void;
}
const events = new Map<string, Listening>();

/**
 * Has `listener` called at each `event` of the process. All of an event share one listener of the process, of which Node allows ten
 * before it warns: a process may serve more mounts than that.
 *
 * @returns ends it
 */
export function onProcess(event: NodeJS.Signals | "exit", listener: () => void): () => void {
  const { all, tell } = events.get(event) ?? start(event);
  all.add(listener);
  return () => {
    if (!all.delete(listener) || all.size > 0) return;
    process.off(event, tell);
    events.delete(event);
  };
}

function start(event: string): Listening {
  const all = new Set<() => void>();
  const listening = {
    all,
    tell: () => {
      for (const listener of [...all]) listener();
    },
  };
  events.set(event, listening);
  process.on(event, listening.tell);
  return listening;
}
