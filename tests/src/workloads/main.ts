/**
 * One workload on one image, in a process of its own: node workloads/main.js SUBJECT WORKLOAD IMAGE SEED [long]
 * SUBJECT is `kernel` (ext4 on a loop device), `served` (our own mount) or `bridged` (the host without a mount, see bridge/).
 */
import { bridgeMounter, kernelMounter, servedMounter } from "../model/mounters.js";
import { findWorkload } from "./software.js";

const MOUNTERS = { kernel: kernelMounter, served: servedMounter, bridged: bridgeMounter } as const;

async function main([subject, name = "", image = "", seed = "1", long]: readonly string[]): Promise<void> {
  const workload = findWorkload(name);
  const options = subject === "kernel" ? [] : workload.options;
  const mounter = MOUNTERS[subject as keyof typeof MOUNTERS](image, options);
  const mountPoint = await mounter.mount();
  try {
    workload.run(mountPoint, { long: long === "long", native: subject === "kernel", seed: Number(seed) });
  } finally {
    await mounter.unmount();
  }
}

await main(process.argv.slice(2));
