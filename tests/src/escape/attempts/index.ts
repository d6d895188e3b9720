import type { AttemptGroup } from "../attempt.js";
import { device, offset } from "./device.js";
import { exhaustion } from "./exhaustion.js";
import { files } from "./files.js";
import { kernel } from "./kernel.js";
import { paranoid } from "./paranoid.js";
import { privileges } from "./privileges.js";
import { processes } from "./processes.js";
import { sockets } from "./sockets.js";

export const groups: readonly AttemptGroup[] = [
  files,
  device,
  offset,
  sockets,
  processes,
  privileges,
  kernel,
  exhaustion,
  paranoid,
];
