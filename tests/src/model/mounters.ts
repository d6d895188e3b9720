/** Who mounts an image for a subject: the kernel's ext4 through a loop device, or our own command. */
import { fileURLToPath } from "node:url";
import { ServedMount } from "../mount/served-mount.js";
import { mountLoop, unmount } from "../system/loop.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import type { Mounter } from "./system-subject.js";

const NO_ATIME = "noatime";

export function kernelMounter(image: string, options: readonly string[] = []): Mounter {
  let at = "";
  return {
    async mount() {
      at = scratchDirectory("model");
      mountLoop(image, at, { options: [NO_ATIME, ...options] });
      return at;
    },
    async unmount() {
      if (at === "") return;
      unmount(at);
      removeScratch(at);
      at = "";
    },
  };
}

/** Our own mount. */
export function servedMounter(image: string, options: readonly string[] = []): Mounter {
  return mounterOf((at) => ServedMount.start(image, at, [NO_ATIME, ...options]));
}

const BRIDGE = fileURLToPath(new URL("../bridge/main.js", import.meta.url));

/** The host without a mount, with a kernel's FUSE in front of it. */
export function bridgeMounter(image: string, options: readonly string[] = []): Mounter {
  return mounterOf((at) => ServedMount.start(image, at, [NO_ATIME, ...options], [process.execPath, BRIDGE]));
}

function mounterOf(start: (at: string) => Promise<ServedMount>): Mounter {
  let served: ServedMount | undefined;
  return {
    async mount() {
      served = await start(scratchDirectory("model"));
      return served.mountPoint;
    },
    async unmount() {
      const ending = served;
      if (ending === undefined) return;
      served = undefined;
      try {
        unmount(ending.mountPoint);
        const { code, signal } = await ending.end();
        if (code !== 0) throw new Error(`the server ended with ${code ?? signal}: ${ending.output}`);
      } finally {
        await ending.clear();
        removeScratch(ending.mountPoint);
      }
    },
  };
}
