/** Reads all files of an image by `@bulkhead/image`, in the order of its lists: node read-all.js IMAGE */
import { openImage } from "@bulkhead/image";

const image = openImage(process.argv[2] ?? "");

function readAll(directory: string): void {
  for (const { name, kind } of image.readdir(directory)) {
    const path = `${directory}/${name}`;
    if (kind === "directory") readAll(path);
    else if (kind === "file") image.readFile(path);
  }
}

readAll("/");
image.close();
