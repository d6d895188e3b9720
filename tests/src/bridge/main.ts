/**
 * Mounts what is open without a mount: node bridge/main.js [-o OPTION]… IMAGE MOUNTPOINT
 * For suites that want system calls. Ends, with everything on the image, when it is unmounted.
 */
import { parseArgs } from "node:util";
import { DeviceTransport, mountFuse } from "@bulkhead/fuse";
import { openImage } from "@bulkhead/image";
import { Errno, Poll, PollSet } from "@bulkhead/linux";
import { Front } from "./front.js";

const FOR_EVER = -1;

const { values, positionals } = parseArgs({
  options: { option: { type: "string", short: "o", multiple: true, default: [] } },
  allowPositionals: true,
});
const has = (option: string) => values.option.includes(option);
const [path = "", mountpoint = ""] = positionals;
const quota = { user: has("usrquota"), group: has("grpquota"), project: has("prjquota") };
const image = openImage(path, { writable: !has("ro"), umask: 0, quota });
try {
  const { fd } = mountFuse(mountpoint, {
    subtype: "bulkhead-bridge",
    defaultPermissions: true,
    readOnly: has("ro"),
    allowOther: has("allow_other"),
    noSuid: !has("suid"),
    noDev: !has("dev"),
    noAtime: has("noatime"),
  });
  const transport = new DeviceTransport(fd);
  const front = new Front(image, transport);
  const request = new Uint8Array(front.requestCapacity);
  const ready = new PollSet(1);
  ready.set(0, fd, Poll.IN);
  for (let length = 0; length !== -Errno.ENODEV; ) {
    length = transport.read(request);
    if (length > 0) front.answer(request, length);
    else if (length === -Errno.EAGAIN) ready.poll(FOR_EVER);
    else if (length !== -Errno.ENODEV) throw new Error(`reading a request: ${length}`);
  }
} finally {
  image.close();
}
