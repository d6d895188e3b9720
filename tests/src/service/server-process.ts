/**
 * A contained server as a test has it: `server-process.js hello GREETING` or `server-process.js ext4`, started on a service's
 * socket. It says on standard error how it ended.
 */
import { isMainThread, Worker } from "node:worker_threads";
import {
  DeviceTransport,
  type FileSystem,
  Notifier,
  type Services,
  ServingLoop,
  Session,
  Timers,
} from "@bulkhead/fuse";
import { close } from "@bulkhead/linux";
import {
  exitService,
  findServiceSocket,
  mountAsService,
  type OpeningContext,
  ServiceConnection,
} from "@bulkhead/service";

const [kind = "", greeting = ""] = process.argv.slice(2);

if (isMainThread) {
  // The example mounts by itself where it is the main thread.
  const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
  worker.on("error", (error) => {
    process.stderr.write(`${error.message}\n`);
    void exitService(error);
  });
} else {
  const socket = findServiceSocket();
  if (socket === undefined) throw new Error("not started as a service");
  const timers = new Timers();
  let transport: DeviceTransport | undefined;
  const attached = () => {
    if (transport === undefined) throw new Error("not mounted yet");
    return transport;
  };
  const services = {
    timers,
    transport: attached,
    notifier: () => new Notifier(attached()),
    log: (text: string) => void process.stderr.write(`${text}\n`),
  };
  const open = async ({ source, command }: OpeningContext) => {
    if (source === undefined) throw new Error("there is no source");
    if (kind === "hello") {
      close(source.fd);
      return { fileSystem: await make("@bulkhead/example-hello", greeting, services), readOnly: true };
    }
    const data = {
      source: { path: `/proc/self/fd/${source.fd}` },
      claimed: true,
      engine: { writable: !source.readOnly, mountPoint: Buffer.from(command.mountPoint).toString("latin1") },
      serving: {},
      discard: false,
      debug: false,
      posixAcl: true,
    };
    const fileSystem = await make("@bulkhead/server/file-system", data, services);
    return { fileSystem, fuseOptions: ["default_permissions"] };
  };
  const mount = await mountAsService(new ServiceConnection(socket), {
    own: [],
    open,
    abandon: (fileSystem) => fileSystem.close?.(),
  });
  transport = new DeviceTransport(mount.fuse);
  const { handlers, session, close: end } = mount.fileSystem;
  const loop = new ServingLoop({ session: new Session(handlers, session), transport, timers });
  const why = loop.run();
  transport.close();
  end?.call(mount.fileSystem);
  process.stderr.write(`${why}\n`);
}

/** Neither of the file systems answers later. */
type Given = Omit<Services, "reply" | "later">;

async function make(module: string, data: unknown, services: Given): Promise<FileSystem> {
  const path = module === "@bulkhead/example-hello" ? "../../../examples/hello/dist/main.js" : module;
  const { default: create } = (await import(path)) as { default: (data: unknown, services: Given) => FileSystem };
  return create(data, services);
}
