/** A writer and reader of structures that knows only the reference's layouts: it shares no code with the codec. */
import { LAYOUTS } from "./layouts.js";

export interface WireField {
  /** Path of a scalar: `attr.mode`, `spare[2]`. */
  readonly path: string;
  readonly offset: number;
  readonly type: "u8" | "u16" | "u32" | "i32" | "u64" | "i64";
}
export interface Layout {
  readonly size: number;
  readonly fields: readonly WireField[];
  /** Top-level names with their offsets. */
  readonly top: ReadonlyMap<string, number>;
}

const SCALAR: Readonly<Record<string, WireField["type"]>> = {
  u8: "u8",
  char: "u8",
  u16: "u16",
  u32: "u32",
  i32: "i32",
  u64: "u64",
  i64: "i64",
};
const SIZE = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8, i64: 8 } as const;

const lines = new Map<string, { size: number; cells: string[] }>();
for (const line of LAYOUTS.trim().split("\n")) {
  const [name, size, ...rest] = line.split(" ");
  if (name === undefined) throw new Error(line);
  lines.set(name, { size: Number(size), cells: rest.join(" ").split(" · ") });
}

export function layout(name: string): Layout {
  const line = lines.get(name);
  if (line === undefined) throw new Error(`no layout of ${name}`);
  const fields: WireField[] = [];
  const top = new Map<string, number>();
  for (const cell of line.cells) {
    const match = /^(\d+) (\w+?)(?:\[(\d+)\])? (\w+)$/.exec(cell);
    if (match === null) throw new Error(`${name}: ${cell}`);
    const [, at, type = "", count, field = ""] = match;
    const offset = Number(at);
    top.set(field, offset);
    const scalar = SCALAR[type];
    if (scalar === undefined) {
      for (const inner of layout(type).fields) {
        fields.push({ ...inner, path: `${field}.${inner.path}`, offset: offset + inner.offset });
      }
    } else if (count === undefined) fields.push({ path: field, offset, type: scalar });
    else {
      for (let i = 0; i < Number(count); i++) {
        fields.push({ path: `${field}[${i}]`, offset: offset + i * SIZE[scalar], type: scalar });
      }
    }
  }
  return { size: line.size, fields, top };
}

export const layoutNames = [...lines.keys()];

export type WireValues = Readonly<Record<string, number | bigint>>;

/** A value for a field that differs from its neighbours', has its top bits set, and fits a safe integer. */
export function sample(field: WireField, salt: number): bigint {
  const seed = BigInt(((field.offset + salt) * 2654435761) >>> 0);
  switch (field.type) {
    case "u8":
      return seed & 0xffn;
    case "u16":
      return (seed & 0x7fffn) | 0x8000n;
    case "u32":
      return seed | 0x8000_0000n;
    case "i32":
      return -(seed & 0x7fff_ffffn) - 1n;
    case "u64":
      return (((seed & 0xfffffn) | 0x10_0000n) << 32n) | seed | 1n;
    case "i64":
      return -((((seed & 0xfffffn) | 0x1n) << 32n) | seed);
  }
}

/** Values for every scalar of a structure; `fixed` overrides some. */
export function sampleValues(name: string, salt: number, fixed: WireValues = {}): Record<string, bigint> {
  const values: Record<string, bigint> = {};
  for (const field of layout(name).fields) values[field.path] = BigInt(fixed[field.path] ?? sample(field, salt));
  for (const path of Object.keys(fixed)) if (!(path in values)) throw new Error(`${name} has no ${path}`);
  return values;
}

/** The structure's bytes; what is not given is 0. */
export function bytesOf(name: string, values: WireValues = {}): Buffer {
  const { size, fields } = layout(name);
  const buffer = Buffer.alloc(size);
  const known = new Set(fields.map(({ path }) => path));
  for (const path of Object.keys(values)) if (!known.has(path)) throw new Error(`${name} has no ${path}`);
  for (const { path, offset, type } of fields) {
    const value = BigInt(values[path] ?? 0);
    if (type === "u64") buffer.writeBigUInt64LE(value, offset);
    else if (type === "i64") buffer.writeBigInt64LE(value, offset);
    else if (type === "u8") buffer.writeUInt8(Number(value), offset);
    else if (type === "u16") buffer.writeUInt16LE(Number(value), offset);
    else if (type === "u32") buffer.writeUInt32LE(Number(value), offset);
    else buffer.writeInt32LE(Number(value), offset);
  }
  return buffer;
}

export const text = (value: string) => Buffer.from(value);
export const cstring = (value: string) => Buffer.from(`${value}\0`);

/** A whole request: header (with `len` and `opcode` filled in) and parts. */
export function request(opcode: number, header: WireValues, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const len = 40 + body.length;
  return Buffer.concat([bytesOf("fuse_in_header", { unique: 2n, len, opcode, ...header }), body]);
}

/** A whole reply. */
export function reply(unique: bigint, error: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([bytesOf("fuse_out_header", { len: 16 + body.length, error, unique }), body]);
}

/** Reads a scalar of one of our views by its reference path, as a bigint: u64 through the halves. */
export function get(view: object, { path, type }: WireField): bigint {
  const { holder, key, index } = resolve(view, path);
  if (index !== undefined) {
    const items: unknown = Reflect.get(holder, key);
    if (items instanceof Uint8Array) return BigInt(items[index] ?? -1);
    return BigInt((items as { get(i: number): number }).get(index));
  }
  if (type === "u64" || type === "i64") {
    const low = BigInt(Reflect.get(holder, `${key}Lo`) as number);
    const bits = (BigInt(Reflect.get(holder, `${key}Hi`) as number) << 32n) | low;
    return type === "u64" ? bits : BigInt.asIntN(64, bits);
  }
  return BigInt(Reflect.get(holder, key) as number);
}

/** Sets a scalar of one of our views by its reference path; 64-bit ones as a number where the view has one. */
export function set(view: object, { path, type }: WireField, value: bigint): void {
  const { holder, key, index } = resolve(view, path);
  if (index !== undefined) {
    const items: unknown = Reflect.get(holder, key);
    if (items instanceof Uint8Array) items[index] = Number(value);
    else (items as { set(i: number, v: number): void }).set(index, Number(value));
  } else if ((type === "u64" || type === "i64") && !(key in holder)) {
    Reflect.set(holder, `${key}Lo`, Number(value & 0xffff_ffffn));
    Reflect.set(holder, `${key}Hi`, Number((value >> 32n) & 0xffff_ffffn));
  } else Reflect.set(holder, key, Number(value));
}

function resolve(view: object, path: string): { holder: object; key: string; index: number | undefined } {
  const parts = path.split(".");
  const [, key = "", index] = /^(\w+)(?:\[(\d+)\])?$/.exec(parts.pop() ?? "") ?? [];
  const holder = parts.reduce<object>((at, part) => Reflect.get(at, part) as object, view);
  return { holder, key, index: index === undefined ? undefined : Number(index) };
}
