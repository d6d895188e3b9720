import type { BlockDevice } from "../device/device.js";

const CONVERT = "make a raw image of it with qemu-img convert -O raw";
const DECOMPRESS = "decompress it first";

/** What is often taken for an image of a file system: offset, the bytes there (a byte a char), what it is, what to do. */
const FORMATS: readonly (readonly [offset: number, magic: string, what: string])[] = [
  [0, "QFI\xfb", `a QCOW2 image: ${CONVERT}`],
  [0, "KDMV", `a VMDK image: ${CONVERT}`],
  [0x40, "\x7f\x10\xda\xbe", `a VDI image: ${CONVERT}`],
  [0, "conectix", `a VHD image: ${CONVERT}`],
  [0, "vhdxfile", `a VHDX image: ${CONVERT}`],
  [0, "\x3a\xff\x26\xed", "an Android sparse image: make a raw image of it with simg2img"],
  [0, "\x1f\x8b", `compressed by gzip: ${DECOMPRESS}`],
  [0, "BZh", `compressed by bzip2: ${DECOMPRESS}`],
  [0, "\xfd7zXZ\0", `compressed by xz: ${DECOMPRESS}`],
  [0, "\x28\xb5\x2f\xfd", `compressed by zstd: ${DECOMPRESS}`],
  [0, "LUKS\xba\xbe", "encrypted by LUKS: what cryptsetup open makes of it can be used"],
  [0x200, "LABELONE", "a physical volume of LVM: its logical volumes can be used"],
  [0, "XFSB", "an XFS file system"],
  [0x1_0040, "_BHRfS_M", "a Btrfs file system"],
  [0, "hsqs", "a Squashfs file system"],
];

/** What a device holds that is no ext4 file system, and what to do with it; undefined when that is not known. */
export function otherFormat(device: BlockDevice): string | undefined {
  for (const [offset, magic, what] of FORMATS) {
    if (offset + magic.length > device.size) continue;
    const bytes = new Uint8Array(magic.length);
    device.read(offset, bytes);
    if (bytes.every((byte, at) => byte === magic.charCodeAt(at))) return what;
  }
  return undefined;
}
