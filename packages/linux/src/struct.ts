/**
 * Kernel-ABI structures in host byte order, each declared once, as data. Size, overlap and alignment are checked when the
 * declaration is evaluated; reading and writing go through lazy views that are moved, not rebuilt, from message to message.
 *
 * 64-bit integers without BigInt: a `u64` or `i64` field is a number that *saturates* at ±(2^53 − 1), both when read and
 * when written (NaN writes 0), so it is always a safe integer; the exact bits are at `nameLo` and `nameHi`. A field whose
 * value is only ever echoed is `opaque64` and has the two halves alone.
 */
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const LOW = LITTLE_ENDIAN ? 0 : 4;
const HIGH = 4 - LOW;
const TWO_32 = 0x1_0000_0000;
const MAX_SAFE = Number.MAX_SAFE_INTEGER;
const EMPTY = new DataView(new ArrayBuffer(0));

export interface Scalar<Kind extends string> {
  readonly kind: Kind;
  readonly offset: number;
  readonly size: number;
  readonly align: number;
}
export type NarrowField = Scalar<"u8" | "u16" | "u32" | "i32">;
export type WideField = Scalar<"u64" | "i64">;
export type OpaqueField = Scalar<"opaque64">;
export type ElementKind = "u8" | "u16" | "u32" | "i32" | "u64" | "i64";
export type BytesField = Scalar<"bytes">;
export interface ArrayField extends Scalar<"array"> {
  readonly element: ElementKind;
  readonly length: number;
}
export interface NestedField<S extends AnyStruct> extends Scalar<"nested"> {
  readonly struct: S;
}
export type Field = NarrowField | WideField | OpaqueField | BytesField | ArrayField | NestedField<AnyStruct>;
export type Fields = Readonly<Record<string, Field>>;

/** Where a view stands: it reads and writes `dataView` from `byteOffset` on. */
export interface Positioned {
  readonly dataView: DataView;
  readonly byteOffset: number;
  /** Moves the view without allocating. Reading outside the buffer throws RangeError: check lengths before. */
  at(dataView: DataView, byteOffset: number): this;
}

/** A fixed array inside a structure. Indices are checked. */
export interface ArrayView {
  readonly length: number;
  get(index: number): number;
  set(index: number, value: number): void;
}

export type Halves<K> = K extends string ? `${K}Lo` | `${K}Hi` : never;
export type KeysOf<F extends Fields, Kind> = { [K in keyof F]: F[K] extends Kind ? K : never }[keyof F];
export type Numbers<F extends Fields> = {
  [K in KeysOf<F, NarrowField | WideField> | Halves<KeysOf<F, WideField | OpaqueField>>]: number;
};

/** The view of a structure with the fields `F`. `bytes` fields give a window onto the buffer (a small allocation). */
export type ViewOf<F extends Fields> = Positioned &
  Numbers<F> & {
    readonly [K in KeysOf<F, NestedField<AnyStruct>>]: F[K] extends NestedField<infer S> ? View<S> : never;
  } & { readonly [K in KeysOf<F, BytesField>]: Uint8Array } & { readonly [K in KeysOf<F, ArrayField>]: ArrayView };

/** Values for {@link Struct.write}; what is left out becomes 0. */
export type ValuesOf<F extends Fields> = Partial<
  Numbers<F> & {
    [K in KeysOf<F, NestedField<AnyStruct>>]: F[K] extends NestedField<infer S> ? Values<S> : never;
  } & { [K in KeysOf<F, BytesField>]: Uint8Array } & { [K in KeysOf<F, ArrayField>]: readonly number[] }
>;

export interface AnyStruct {
  readonly name: string;
  /** Bytes, trailing padding included. */
  readonly size: number;
  readonly fields: Fields;
  readonly offset: Readonly<Record<string, number>>;
  view(): Positioned;
  /** Writes members alone. @throws {TypeError} for a member that it does not have */
  set(dataView: DataView, byteOffset: number, values: object): void;
}

export interface Struct<F extends Fields> extends AnyStruct {
  readonly fields: F;
  /** Byte offset of each field, for hot paths that do without a view. */
  readonly offset: { readonly [K in keyof F]: number };
  /** A new view, standing nowhere until `at` is called unless a position is given. */
  view(dataView?: DataView, byteOffset?: number): ViewOf<F>;
  /** Writes the whole structure: zeros first, then `values`. */
  write(dataView: DataView, byteOffset: number, values: ValuesOf<F>): void;
}
export type View<S extends AnyStruct> = S extends Struct<infer F> ? ViewOf<F> : never;
export type Values<S extends AnyStruct> = S extends Struct<infer F> ? ValuesOf<F> : never;

function scalar<Kind extends string>(kind: Kind, size: number): (offset: number) => Scalar<Kind> {
  return (offset) => ({ kind, offset, size, align: size });
}
export const u8 = scalar("u8", 1);
export const u16 = scalar("u16", 2);
export const u32 = scalar("u32", 4);
export const i32 = scalar("i32", 4);
export const u64 = scalar("u64", 8);
export const i64 = scalar("i64", 8);
export const opaque64 = scalar("opaque64", 8);

/** `char[length]`. */
export function bytes(length: number, offset: number): BytesField {
  return { kind: "bytes", offset, size: length, align: 1 };
}

/** `element[length]`, for example `array(u32, 6, 56)`. */
export function array(element: (offset: number) => Scalar<ElementKind>, length: number, offset: number): ArrayField {
  const { kind, size } = element(0);
  return { kind: "array", offset, size: size * length, align: size, element: kind, length };
}

export function nested<S extends AnyStruct>(inner: S, offset: number): NestedField<S> {
  return { kind: "nested", offset, size: inner.size, align: alignment(inner.fields), struct: inner };
}

function alignment(fields: Fields): number {
  return Math.max(1, ...Object.values(fields).map((field) => field.align));
}

/** Reads a u64 as a number, saturating at 2^53 − 1. */
export function readU64(view: DataView, at: number): number {
  const high = view.getUint32(at + HIGH, LITTLE_ENDIAN);
  return high > 0x1f_ffff ? MAX_SAFE : high * TWO_32 + view.getUint32(at + LOW, LITTLE_ENDIAN);
}

/** Writes a number as u64: below 0 and NaN become 0, above 2^53 − 1 saturates. */
export function writeU64(view: DataView, at: number, value: number): void {
  const safe = value > 0 ? Math.min(value, MAX_SAFE) : 0;
  view.setUint32(at + LOW, safe, LITTLE_ENDIAN);
  view.setUint32(at + HIGH, safe / TWO_32, LITTLE_ENDIAN);
}

/** Reads an i64 as a number, saturating at ±(2^53 − 1). */
export function readI64(view: DataView, at: number): number {
  const high = view.getInt32(at + HIGH, LITTLE_ENDIAN);
  if (high > 0x1f_ffff) return MAX_SAFE;
  if (high < -0x20_0000) return -MAX_SAFE;
  return Math.max(-MAX_SAFE, high * TWO_32 + view.getUint32(at + LOW, LITTLE_ENDIAN));
}

/** Writes a number as i64, saturating at ±(2^53 − 1); NaN becomes 0. */
export function writeI64(view: DataView, at: number, value: number): void {
  const safe = value > -MAX_SAFE ? Math.min(value, MAX_SAFE) : value < 0 ? -MAX_SAFE : 0;
  view.setUint32(at + LOW, safe, LITTLE_ENDIAN);
  view.setInt32(at + HIGH, Math.floor(safe / TWO_32), LITTLE_ENDIAN);
}

type Read = (view: DataView, at: number) => number;
type Write = (view: DataView, at: number, value: number) => void;
const READ: Readonly<Record<ElementKind, Read>> = {
  u8: (view, at) => view.getUint8(at),
  u16: (view, at) => view.getUint16(at, LITTLE_ENDIAN),
  u32: (view, at) => view.getUint32(at, LITTLE_ENDIAN),
  i32: (view, at) => view.getInt32(at, LITTLE_ENDIAN),
  u64: readU64,
  i64: readI64,
};
const WRITE: Readonly<Record<ElementKind, Write>> = {
  u8: (view, at, value) => view.setUint8(at, value),
  u16: (view, at, value) => view.setUint16(at, value, LITTLE_ENDIAN),
  u32: (view, at, value) => view.setUint32(at, value, LITTLE_ENDIAN),
  i32: (view, at, value) => view.setInt32(at, value, LITTLE_ENDIAN),
  u64: writeU64,
  i64: writeI64,
};

class BaseView implements Positioned {
  dataView: DataView = EMPTY;
  byteOffset = 0;
  readonly parts: Positioned[];

  constructor(parts: Positioned[]) {
    this.parts = parts;
  }

  at(dataView: DataView, byteOffset: number): this {
    this.dataView = dataView;
    this.byteOffset = byteOffset;
    return this;
  }
}

class FixedArrayView implements Positioned, ArrayView {
  dataView: DataView = EMPTY;
  byteOffset = 0;
  readonly length: number;
  readonly element: ElementKind;
  readonly stride: number;

  constructor(field: ArrayField) {
    this.length = field.length;
    this.element = field.element;
    this.stride = field.size / field.length;
  }

  at(dataView: DataView, byteOffset: number): this {
    this.dataView = dataView;
    this.byteOffset = byteOffset;
    return this;
  }

  get(index: number): number {
    return READ[this.element](this.dataView, this.byteOffset + this.check(index) * this.stride);
  }

  set(index: number, value: number): void {
    WRITE[this.element](this.dataView, this.byteOffset + this.check(index) * this.stride, value);
  }

  private check(index: number): number {
    if (!(index >= 0 && index < this.length)) throw new RangeError(`index ${index} of an array of ${this.length}`);
    return index;
  }
}

/** Names a field may not have, because every view has them. */
const RESERVED: ReadonlySet<string> = new Set(["at", "dataView", "byteOffset", "parts", "constructor"]);

function check(name: string, size: number, fields: Fields): void {
  let end = 0;
  for (const [key, { offset, size: width, align }] of Object.entries(fields)) {
    const wrong = (rule: string) => new TypeError(`${name}.${key} at ${offset}: ${rule}`);
    if (RESERVED.has(key)) throw wrong("reserved name");
    if (!Number.isInteger(offset) || offset < 0) throw wrong("bad offset");
    if (offset < end) throw wrong(`overlaps or precedes its predecessor, which ends at ${end}`);
    if (offset % align !== 0) throw wrong(`not aligned to ${align}`);
    end = offset + width;
    if (end > size) throw wrong(`ends at ${end}, outside the ${size} bytes`);
  }
  if (size % alignment(fields) !== 0) throw new TypeError(`${name}: size ${size} is not a multiple of its alignment`);
}

function narrow(kind: NarrowField["kind"], offset: number): PropertyDescriptor & ThisType<BaseView> {
  // Four literal getters, not one over a table: each stays monomorphic and is inlined with `offset` as a constant.
  switch (kind) {
    case "u8":
      return {
        get() {
          return this.dataView.getUint8(this.byteOffset + offset);
        },
        set(value: number) {
          this.dataView.setUint8(this.byteOffset + offset, value);
        },
      };
    case "u16":
      return {
        get() {
          return this.dataView.getUint16(this.byteOffset + offset, LITTLE_ENDIAN);
        },
        set(value: number) {
          this.dataView.setUint16(this.byteOffset + offset, value, LITTLE_ENDIAN);
        },
      };
    case "u32":
      return {
        get() {
          return this.dataView.getUint32(this.byteOffset + offset, LITTLE_ENDIAN);
        },
        set(value: number) {
          this.dataView.setUint32(this.byteOffset + offset, value, LITTLE_ENDIAN);
        },
      };
    case "i32":
      return {
        get() {
          return this.dataView.getInt32(this.byteOffset + offset, LITTLE_ENDIAN);
        },
        set(value: number) {
          this.dataView.setInt32(this.byteOffset + offset, value, LITTLE_ENDIAN);
        },
      };
  }
}

function wide(kind: WideField["kind"], offset: number): PropertyDescriptor & ThisType<BaseView> {
  if (kind === "u64") {
    return {
      get() {
        return readU64(this.dataView, this.byteOffset + offset);
      },
      set(value: number) {
        writeU64(this.dataView, this.byteOffset + offset, value);
      },
    };
  }
  return {
    get() {
      return readI64(this.dataView, this.byteOffset + offset);
    },
    set(value: number) {
      writeI64(this.dataView, this.byteOffset + offset, value);
    },
  };
}

function part(index: number, offset: number): PropertyDescriptor & ThisType<BaseView> {
  return {
    get() {
      return this.parts[index]?.at(this.dataView, this.byteOffset + offset);
    },
  };
}

function window(offset: number, length: number): PropertyDescriptor & ThisType<BaseView> {
  return {
    get() {
      const { buffer, byteOffset } = this.dataView;
      return new Uint8Array(buffer, byteOffset + this.byteOffset + offset, length);
    },
  };
}

/** Writes one member of the structure that stands at `at`. */
type Writer = (to: DataView, at: number, value: unknown) => void;

function numberWriter(kind: ElementKind, offset: number): Writer {
  const write = WRITE[kind];
  return (to, at, value) => write(to, at + offset, value as number);
}

function bytesWriter({ offset, size }: BytesField): Writer {
  return (to, at, value) => new Uint8Array(to.buffer, to.byteOffset + at + offset, size).set(value as Uint8Array);
}

function arrayWriter(field: ArrayField): Writer {
  const view = new FixedArrayView(field);
  return (to, at, value) => {
    view.at(to, at + field.offset);
    for (const [index, item] of (value as readonly number[]).entries()) view.set(index, item);
  };
}

/** Declares a structure of `size` bytes. Throws TypeError when the declaration breaks a layout rule. */
export function struct<const F extends Fields>(name: string, size: number, fields: F): Struct<F> {
  check(name, size, fields);
  const makers: (() => Positioned)[] = [];
  const writers = new Map<string, Writer>();
  class StructView extends BaseView {}
  const define = (key: string, descriptor: PropertyDescriptor & ThisType<BaseView>) =>
    Object.defineProperty(StructView.prototype, key, { ...descriptor, enumerable: true });
  const offset: Record<string, number> = {};
  for (const [key, field] of Object.entries(fields) as [string, Field][]) {
    offset[key] = field.offset;
    switch (field.kind) {
      case "bytes":
        define(key, window(field.offset, field.size));
        writers.set(key, bytesWriter(field));
        break;
      case "array":
        define(key, part(makers.length, field.offset));
        makers.push(() => new FixedArrayView(field));
        writers.set(key, arrayWriter(field));
        break;
      case "nested":
        define(key, part(makers.length, field.offset));
        makers.push(() => field.struct.view());
        writers.set(key, (to, at, value) => field.struct.set(to, at + field.offset, value as object));
        break;
      case "u64":
      case "i64":
      case "opaque64":
        if (field.kind !== "opaque64") {
          define(key, wide(field.kind, field.offset));
          writers.set(key, numberWriter(field.kind, field.offset));
        }
        define(`${key}Lo`, narrow("u32", field.offset + LOW));
        define(`${key}Hi`, narrow("u32", field.offset + HIGH));
        writers.set(`${key}Lo`, numberWriter("u32", field.offset + LOW));
        writers.set(`${key}Hi`, numberWriter("u32", field.offset + HIGH));
        break;
      default:
        define(key, narrow(field.kind, field.offset));
        writers.set(key, numberWriter(field.kind, field.offset));
    }
  }
  const set = (dataView: DataView, byteOffset: number, values: object) => {
    for (const key of Object.keys(values)) {
      const writer = writers.get(key);
      if (writer === undefined) throw new TypeError(`${name} has no field ${key}`);
      writer(dataView, byteOffset, values[key as keyof typeof values]);
    }
  };
  const view = (dataView: DataView = EMPTY, byteOffset = 0) =>
    // The class was given exactly the members that ViewOf<F> computes from the same declaration.
    new StructView(makers.map((make) => make())).at(dataView, byteOffset) as unknown as ViewOf<F>;
  return Object.freeze({
    name,
    size,
    fields,
    // A copy: what was filled by computed names, V8 keeps as a hash table, in which every use of an offset is a search.
    offset: Object.freeze({ ...offset }) as { readonly [K in keyof F]: number },
    view,
    set,
    write(dataView: DataView, byteOffset: number, values: ValuesOf<F>) {
      new Uint8Array(dataView.buffer, dataView.byteOffset + byteOffset, size).fill(0);
      set(dataView, byteOffset, values);
    },
  });
}
