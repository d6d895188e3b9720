/** Writes to an image, says who serves it, and waits to be killed. */
import { openImage } from "@bulkhead/image";

const image = openImage(process.argv[2] ?? "", { writable: true });
image.mkdir("/many");
for (let n = 0; n < 100; n++) image.writeFile(`/many/${n}`, String(n));
process.stdout.write(`${image.serverPid}\n`);
setInterval(() => {}, 1000);
