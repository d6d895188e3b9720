/** Writes to an image, says who serves it, and waits to be killed, or closes it. */
import { openImage } from "@bulkhead/image";

const image = openImage(process.argv[2] ?? "", { writable: true });
image.mkdir("/many");
for (let n = 0; n < 100; n++) image.writeFile(`/many/${n}`, String(n));
process.stdout.write(`${image.serverPid}\n`);
if (process.argv[3] === "close") image.close();
else setInterval(() => {}, 1000);
