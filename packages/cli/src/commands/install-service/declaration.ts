import type { CommandDeclaration } from "../../command-line/declaration.js";

export const installService: CommandDeclaration = {
  name: "install-service",
  section: 8,
  summary: "have systemd start the servers of mounts, and mount(8) find them",
  arguments: [],
  options: [
    {
      name: "paranoid",
      description: "Servers without V8's compiler, in whose memory nothing that was written can be executed. Slower.",
    },
    {
      name: "group",
      value: "GROUP",
      description: "Members of GROUP may mount through the service; default: only root.",
    },
    {
      name: "socket-directory",
      value: "DIR",
      description:
        "Where the sockets are, and where the installed mount helpers look; default /run/filesystems, where all that speak the protocol look.",
    },
    {
      name: "root",
      value: "DIR",
      description:
        "Install below DIR, as if it were /, and start nothing: for packages. The environment variable DESTDIR means the same. Units go to /usr/lib/systemd/system there.",
    },
    {
      name: "node",
      value: "FILE",
      description: "The Node that is to run the servers; default: the one that runs this.",
    },
    { name: "remove", description: "Remove what was installed. Mounts stay, and their servers with them." },
  ],
  description: [
    "Installs a socket unit and a service template, bulkhead.socket and bulkhead@.service, and mount.bulkhead and mount.safe in /sbin. From then on `mount -t bulkhead` and `mount -t safe.ext4` have systemd start a server for each mount: under a user that exists for as long as the mount, without capabilities, network and devices, that sees Node, its libraries and this package and can write to nothing, with a short list of system calls. docs/systemd.md says what each line is for.",
    "It is installed for the Node and the package that run this command, where they are. Since root will run both, nobody else may be able to change them: a checkout in a user's home directory will not do.",
    "Run it again for other options, and after Node or the package was upgraded or has moved. Before the package is uninstalled, run it with --remove. Changes of your own belong into drop-ins (`systemctl edit bulkhead@.service`); these stay.",
  ],
  examples: [
    { command: "bulkhead install-service", does: "Install it and start the socket." },
    {
      command: "bulkhead install-service --paranoid --group disk",
      does: "Without a compiler; members of disk may mount.",
    },
    {
      command: "bulkhead install-service --root debian/tmp --node /usr/bin/node",
      does: "Put the files into a package.",
    },
    { command: "bulkhead install-service --remove", does: "Remove it." },
  ],
  load: () => import("../install-service.js"),
};
