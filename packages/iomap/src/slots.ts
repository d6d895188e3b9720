import type { DeviceRegistry } from "./devices.js";
import { EACCES, EUCLEAN } from "./errno.js";
import { Mapping, type MappingLimits, MappingType, NULL_ADDR, validateMapping } from "./mapping.js";

const LARGEST_DEV = 2 ** 31 - 1;

/** What a begin is answered in, and the checks that every answer goes through before anything of it is believed. */
export class Slots {
  readonly read = new Mapping();
  readonly write = new Mapping();

  /** What an earlier answer has left must not pass for the next one. */
  clear(): void {
    this.read.set(MappingType.hole, 0, 0, NULL_ADDR, 0);
    this.write.set(MappingType.pureOverwrite, 0, 0, NULL_ADDR, 0);
  }

  /** By the rules of {@link validateMapping}. @returns 0, or EUCLEAN */
  check(limits: MappingLimits, pos: number, hasCache: boolean): number {
    return (
      validateMapping(this.read, limits, false, pos, hasCache) ||
      validateMapping(this.write, limits, true, pos, hasCache)
    );
  }

  /** Where an operation that writes goes. */
  get target(): Mapping {
    return this.write.type === MappingType.pureOverwrite ? this.read : this.write;
  }
}

/** Whether I/O may go to the device of a mapping. @returns 0, EUCLEAN for one that is not there, or EACCES */
export function checkDevice(devices: DeviceRegistry, mapping: Readonly<Mapping>, writes: boolean): number {
  if (!mapping.isOnDevice) return 0;
  const device = mapping.dev < LARGEST_DEV ? devices.get(mapping.dev) : undefined;
  if (device === undefined) return EUCLEAN;
  if (device.writeOnly === true) return EACCES;
  return writes && (device.write === undefined || device.readOnly === true) ? EACCES : 0;
}
