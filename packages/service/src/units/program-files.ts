import { type Dirent, existsSync, lstatSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** A file or directory that a service sees, and where. */
export interface VisiblePath {
  /** Where it is. */
  readonly source: string;
  /** Where the service sees it. */
  readonly target: string;
}

/** What a Node program consists of. */
export interface ProgramFiles {
  /** Node, its libraries' directories, and the packages that the program is made of. */
  readonly visible: readonly VisiblePath[];
  /** Targets of those that hold machine code. */
  readonly executable: readonly string[];
}

/** What a Node on some system looks for besides its libraries: the linker's list of them, and modules of Debian's Node. */
const OPTIONAL = ["/etc/ld.so.cache", "/usr/share/nodejs"];

/**
 * What `node program` reads: the program's package, and those it depends on, as its package.json says and where Node finds them.
 *
 * @param node the running Node, or one with the same libraries
 * @throws {Error} a dependency is not installed, or something cannot be read by everybody
 */
export function programFiles(program: string, node: string = process.execPath): ProgramFiles {
  const packages = dependencyClosure(packageOf(program));
  const libraries = libraryDirectories();
  const native = packages.filter(({ source }) => holdsMachineCode(source)).map(({ target }) => target);
  const visible = [...[node, ...libraries, ...OPTIONAL.filter((path) => existsSync(path))].map(inPlace), ...packages];
  checkReadable(program);
  for (const { source } of visible) checkReadable(source);
  return { visible, executable: [node, ...libraries, ...native] };
}

function inPlace(path: string): VisiblePath {
  return { source: path, target: path };
}

/** The directory of the package that a module is in. */
export function packageOf(module: string): string {
  for (let directory = dirname(module); ; directory = dirname(directory)) {
    if (existsSync(join(directory, "package.json"))) return directory;
    if (directory === dirname(directory)) throw new Error(`${module} is in no package`);
  }
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The packages that one is made of, itself first: each where Node looks for it, which may be a link to where it is. */
function dependencyClosure(root: string): VisiblePath[] {
  const found = new Map<string, VisiblePath>([[root, inPlace(root)]]);
  for (const { source, target } of found.values()) {
    const manifest = JSON.parse(readFileSync(join(source, "package.json"), "utf8")) as Manifest;
    const { dependencies = {}, optionalDependencies = {} } = manifest;
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const place = lookUp(name, source) ?? lookUp(name, target);
      if (place === undefined) {
        if (name in optionalDependencies) continue;
        throw new Error(`${name}, which ${source} depends on, is not installed`);
      }
      const real = realpathSync(place);
      const seen = lookUp(name, target);
      // What Node finds by way of a link (pnpm's) is not there for a package that is no link: it comes beside it.
      const at = seen !== undefined && realpathSync(seen) === real ? seen : join(neighboursOf(target), name);
      const other = found.get(at)?.source ?? real;
      if (other !== real) throw new Error(`${at} would have to be ${other} and ${real}: install the package with npm`);
      found.set(at, { source: real, target: at });
    }
  }
  const all = [...found.values()];
  /** Whether it is seen with another, which it lies in. */
  const isWithin = (inner: VisiblePath, outer: VisiblePath) =>
    inner.target.startsWith(`${outer.target}/`) &&
    inner.source === outer.source + inner.target.slice(outer.target.length);
  return all.filter((inner) => !all.some((outer) => isWithin(inner, outer)));
}

/** As Node resolves a package from inside another. */
function lookUp(name: string, from: string): string | undefined {
  for (let directory = from; ; directory = dirname(directory)) {
    const place = join(directory, "node_modules", name);
    if (existsSync(join(place, "package.json"))) return place;
    if (directory === dirname(directory)) return undefined;
  }
}

/** The `node_modules` that a package is in. */
function neighboursOf(target: string): string {
  const end = target.lastIndexOf("/node_modules/");
  return end < 0 ? join(target, "..", "node_modules") : target.slice(0, end + "/node_modules".length);
}

/** Where the libraries of this process's Node are; those of its packages are the packages'. */
function libraryDirectories(): string[] {
  const { sharedObjects = [] } = process.report.getReport() as { sharedObjects?: readonly string[] };
  const libraries = sharedObjects.filter((path) => path.startsWith("/") && !path.endsWith(".node"));
  return [...new Set(libraries.map((path) => dirname(path)))];
}

function holdsMachineCode(directory: string): boolean {
  const isNative = (entry: Dirent) =>
    entry.isDirectory()
      ? entry.name !== "node_modules" && holdsMachineCode(join(directory, entry.name))
      : entry.name.endsWith(".node");
  return readdirSync(directory, { withFileTypes: true }).some(isNative);
}

/** The service is nobody's: what only root or an owner can read is not there for it. Directories above do not count. */
function checkReadable(path: string): void {
  const { mode } = statSync(path);
  const needed = lstatSync(path).isDirectory() ? 0o5 : 0o4;
  if ((mode & needed) === needed) return;
  throw new Error(
    `${path} cannot be read by everybody, and the service is nobody in particular: chmod -R o+rX ${path}`,
  );
}
