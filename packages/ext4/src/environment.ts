/** A point in time: whole seconds since 1970 (negative before) and nanoseconds 0 to 999,999,999. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** The one source of time. */
export interface Clock {
  now(): Timestamp;
}

/** The one source of randomness. */
export interface Random {
  /** Fills `target` with random bytes. */
  fill(target: Uint8Array): void;
}

export type LogLevel = "debug" | "info" | "warning" | "error";

/** What the engine asks of the world around it. Everything that is not deterministic comes through here. */
export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
  /** One line: what happened, where, what to do. */
  log(level: LogLevel, message: string): void;
}

/** The Web Crypto object, which Node and browsers both have as a global. */
declare const crypto: { getRandomValues(target: Uint8Array): Uint8Array };

/** The world as it is: the system's clock and random numbers, and no log. */
export const systemEnvironment: Environment = {
  clock: {
    now() {
      const milliseconds = Date.now();
      const seconds = Math.floor(milliseconds / 1000);
      return { seconds, nanoseconds: (milliseconds - seconds * 1000) * 1_000_000 };
    },
  },
  random: {
    fill(target) {
      for (let at = 0; at < target.length; at += 65_536) crypto.getRandomValues(target.subarray(at, at + 65_536));
    },
  },
  log() {},
};
