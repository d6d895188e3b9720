/** Commands that change an image, as an ordinary user, without a mount. Oracles: debugfs and e2fsck. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { withoutLoopMounts, withoutTools } from "../facilities.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { bulkhead, checkImage, makeImage, NOBODY, succeeds } from "./user.js";

describe("commands that change an image", { skip: withoutLoopMounts() || withoutTools("setpriv") }, () => {
  let directory = "";
  before(() => {
    directory = scratchDirectory("changes");
    fs.chownSync(directory, NOBODY, NOBODY);
    fs.chmodSync(directory, 0o755);
    fs.writeFileSync(join(directory, "plain"), "plain\n");
  });
  after(() => removeScratch(directory));

  test("make, link, move, change and remove what is in it", () => {
    const image = makeImage(directory, "changed.img", 16);
    const debugfs = (request: string) => run("debugfs", ["-R", request, image]).stdout.toString();
    succeeds("mkdir", "-p", "--owner", "0:0", `${image}:/etc/app/conf.d`);
    succeeds("mkdir", "-m", "1777", `${image}:/tmp`);
    succeeds("cp", join(directory, "plain"), `${image}:/etc/app/file`);
    succeeds("ln", `${image}:/etc/app/file`, `${image}:/etc/app/conf.d`);
    succeeds("ln", "-s", "../etc/app", `${image}:/tmp/link`);
    succeeds("mv", `${image}:/etc/app/file`, `${image}:/tmp`);
    succeeds("chmod", "4711", `${image}:/tmp/file`);
    succeeds("truncate", "-s", "3G", `${image}:/tmp/file`, `${image}:/new`);
    succeeds("truncate", "-c", "-s", "3G", `${image}:/nowhere`);
    assert.match(debugfs("stat /tmp/file"), /Mode: +04711[\s\S]*Size: 3221225472[\s\S]*Links: 2/);
    assert.match(debugfs("stat /etc/app"), /Mode: +0755[\s\S]*User: +0 +Group: +0/);
    assert.match(debugfs("stat /tmp"), /Mode: +01777[\s\S]*User: +65534 /);
    assert.equal(succeeds("ls", `${image}:/tmp/link/`), "conf.d\n");
    const failures: [string[], number, RegExp][] = [
      [["rm", `${image}:/etc`], 1, /etc is a directory; remove it with -r/],
      [["rm", `${image}:/none`], 1, /none: there is no such file/],
      [["mkdir", `${image}:/etc`], 1, /etc: it is there already/],
      [["mv", `${image}:/etc`, `${image}:/etc/app/self`], 1, /:\/etc\/app\/self: \/etc would be inside of itself/],
      [["mv", `${image}:/new`, `${image}:/nodir/new`], 1, /:\/nodir\/new: there is no such file or directory/],
      [["mv", `${image}:/none`, `${image}:/nodir/new`], 1, /:\/none: there is no such file or directory/],
      // The second one has the target's name.
      [
        ["mv", `${image}:/etc`, `${image}:/tmp/file`, `${image}:/file`],
        1,
        /:\/file is no directory, and there are 2 sources/,
      ],
      [["mv", `${image}:/new`, `${image}:/tmp/link/../../new`], 1, /:\/new and .*\/new are the same file/],
      [["mv", `${image}:/new`, `${image}:/`], 1, /:\/new and .*:\/new are the same file/],
      [
        ["mv", `${image}:/tmp/file`, `${image}:/etc/app/conf.d`],
        1,
        /:\/tmp\/file and .*\/conf.d\/file are the same file/,
      ],
      [["ln", `${image}:/etc`, `${image}:/x`], 1, /etc is a directory, and there are no hard links to directories/],
      [["ln", `${image}:/none`, `${image}:/x`], 1, /has no \/none: there is no such file/],
      [["rm", "-r", `${image}:/`], 1, /:\/ has no name of its own that could be removed/],
      [["chmod", "rw", `${image}:/etc`], 2, /takes permission bits in octal/],
      [["truncate", `${image}:/etc`], 2, /--size BYTES is missing/],
      [["mkdir", "--owner", "me", `${image}:/x`], 2, /--owner takes numbers/],
      [["mkdir", join(directory, "outside")], 2, /name a file in an image as IMAGE:\/PATH/],
    ];
    for (const [args, expected, message] of failures) {
      const { code, stderr } = bulkhead(...args);
      assert.match(stderr, message);
      assert.equal(code, expected, stderr);
    }
    assert.equal(succeeds("ls", `${image}:/tmp`), "file\nlink\n");
    for (const parent of ["a", "b"]) {
      succeeds("mkdir", `${image}:/${parent}`);
      succeeds("cp", join(directory, "plain"), `${image}:/${parent}/same`);
    }
    for (const command of ["cp", "mv"]) {
      const { code, stderr } = bulkhead(command, `${image}:/a/same`, `${image}:/b/same`, `${image}:/tmp`);
      assert.deepEqual([code, succeeds("ls", `${image}:/b`)], [1, "same\n"]);
      assert.match(stderr, /:\/b\/same would replace .*:\/a\/same, which has the same name/);
    }
    succeeds("rm", "-f", `${image}:/none`);
    succeeds("rm", "-r", ...["etc", "tmp", "new", "a", "b"].map((name) => `${image}:/${name}`));
    checkImage(image);
    assert.equal(succeeds("ls", image), "lost+found\n");
  });
});
