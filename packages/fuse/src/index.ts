export { Errno } from "@bulkhead/linux";
export { type BackingCalls, BackingFiles } from "./backing/files.js";
export { closeBacking, openBacking } from "./backing/ioctl.js";
export { type OpenMode, OpenModes, type OpenReply } from "./backing/modes.js";
export * from "./client/index.js";
export {
  allowIomap,
  iomapSupport,
  registerIomapDevice,
  setIomapBlockSize,
  setNoFilesystemRecursion,
  unregisterIomapDevice,
} from "./iomap-device.js";
export type { ClientFollower, Surroundings } from "./loop/follow.js";
export { CpuFollower, ThreadLookup, ThreadPlacement } from "./loop/follow.js";
export {
  type Completions,
  type Handling,
  type LoopEnd,
  type LoopOptions,
  type LoopWakeup,
  ServingLoop,
} from "./loop/loop.js";
export { type Clock, monotonic, Timers } from "./loop/timers.js";
export { Wakeup, type WakeupHandle } from "./loop/wakeup.js";
export { detach } from "./mount/detach.js";
export { attach, openDevice } from "./mount/kernel.js";
export {
  abortConnection,
  isMounted,
  isOnDevice,
  type Mounted,
  mountFuse,
  resolveMountpoint,
  setDirtyLimit,
  setReadAhead,
  type UnmountOptions,
  unmount,
} from "./mount/mount.js";
export { findMount, isFuse, listMounts, type MountInfo } from "./mount/mountinfo.js";
export type { DeviceClaim, MountOptions } from "./mount/options.js";
export { Notifier } from "./notify.js";
export * from "./protocol/index.js";
export type { Attributes, CreateFileSystem, FileSystem, Services } from "./serve/filesystem.js";
export { mountAndServe, type Served, type ServeOptions } from "./serve/serve.js";
export { EndingSignals } from "./serve/signals.js";
export { DeviceTransport } from "./transport/device.js";
export { MemoryTransport } from "./transport/memory.js";
export { SocketTransport } from "./transport/socket.js";
export type { Transport } from "./transport/transport.js";
