import type { FileKind, Timestamp } from "@bulkhead/ext4";

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** "1.5 GiB" */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit]}`;
}

const letters: Readonly<Record<FileKind, string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  "character-device": "c",
  "block-device": "b",
  fifo: "p",
  socket: "s",
  unknown: "?",
};

/** "-rw-r--r--", as ls -l shows a mode. */
export function formatMode(kind: FileKind, mode: number): string {
  const set = (bit: number, letter: string) => ((mode & bit) === 0 ? "-" : letter);
  const execute = (bit: number, special: number, letter: string) =>
    (mode & special) === 0 ? set(bit, "x") : (mode & bit) === 0 ? letter.toUpperCase() : letter;
  return [
    letters[kind],
    set(0o400, "r"),
    set(0o200, "w"),
    execute(0o100, 0o4000, "s"),
    set(0o40, "r"),
    set(0o20, "w"),
    execute(0o10, 0o2000, "s"),
    set(0o4, "r"),
    set(0o2, "w"),
    execute(0o1, 0o1000, "t"),
  ].join("");
}

/** Local time without the year's limits of four digits: "2024-02-29 13:05". */
export function formatMinute({ seconds }: Timestamp): string {
  const date = new Date(seconds * 1000);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** Local time with nanoseconds and zone: "2024-02-29 13:05:59.123456789 +0100", as stat shows it. */
export function formatTime(time: Timestamp): string {
  const date = new Date(time.seconds * 1000);
  const zone = -date.getTimezoneOffset();
  const sign = zone < 0 ? "-" : "+";
  const offset = `${sign}${two(Math.floor(Math.abs(zone) / 60))}${two(Math.abs(zone) % 60)}`;
  return `${formatMinute(time)}:${two(date.getSeconds())}.${String(time.nanoseconds).padStart(9, "0")} ${offset}`;
}

/** UTC as in ISO 8601, with all nine digits. */
export function isoTime({ seconds, nanoseconds }: Timestamp): string {
  const whole = new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "");
  return `${whole}.${String(nanoseconds).padStart(9, "0")}Z`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
