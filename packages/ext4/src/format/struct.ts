/**
 * On-disk structures, declared once as data: name, offset, width, and the feature that brought the field.
 *
 * Reading, writing and size checks all derive from the declaration. Views are lazy: a view is a (DataView, base) pair whose
 * accessors read the bytes in place, and it can be moved to another place without an allocation.
 */

/** One field. `V` is what its accessor gives: a number, or a window onto the bytes. */
export interface Field<V> {
  readonly offset: number;
  readonly size: number;
  /** The feature or revision that gave these bytes their meaning; absent for those of the first revision. */
  readonly since: string | undefined;
  readonly get: (this: ViewState) => V;
  readonly set: ((this: ViewState, value: V) => void) | undefined;
}

/** Where a view stands. */
export interface ViewState {
  view: DataView;
  base: number;
}

type Fields = Readonly<Record<string, Field<number> | Field<Uint8Array>>>;

type Values<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Field<infer V> ? V : never };

/** A lazy view of one structure. */
export type StructView<F extends Fields> = Values<F> &
  ViewState & {
    /** Moves the view to `base` in `view` and returns it. The caller has checked that the structure fits. */
    at(view: DataView, base: number): StructView<F>;
  };

export interface Struct<F extends Fields> {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly fields: F;
  /** Byte offset of each field, for loops that read a DataView directly. */
  readonly offset: Readonly<Record<keyof F, number>>;
  /** A new view of the structure at `base` in `view`. */
  at(view: DataView, base: number): StructView<F>;
}

/** The view of a struct: `ViewOf<typeof ExtentHeader>`. */
export type ViewOf<S> = S extends Struct<infer F> ? StructView<F> : never;

/** Declares a structure. Throws at load time when fields are out of order, overlap or stick out. */
export function struct<const F extends Fields>(name: string, size: number, fields: F): Struct<F> {
  let end = 0;
  const offset: Record<string, number> = {};
  class View implements ViewState {
    view: DataView;
    base: number;
    constructor(view: DataView, base: number) {
      this.view = view;
      this.base = base;
    }
    at(view: DataView, base: number): this {
      this.view = view;
      this.base = base;
      return this;
    }
  }
  for (const [key, field] of Object.entries(fields)) {
    if (field.offset < end || field.offset + field.size > size) {
      throw new Error(
        `${name}.${key} at 0x${field.offset.toString(16)} overlaps its neighbour or exceeds the structure`,
      );
    }
    end = field.offset + field.size;
    offset[key] = field.offset;
    Object.defineProperty(View.prototype, key, { get: field.get, set: field.set as (value: unknown) => void });
  }
  return {
    name,
    size,
    fields,
    // A copy: what was filled by computed names, V8 keeps as a hash table, in which every use of an offset is a search.
    offset: { ...offset } as Record<keyof F, number>,
    at: (view, base) => new View(view, base) as unknown as StructView<F>,
  };
}

/** Unsigned byte. */
export function u8(offset: number, since?: string): Field<number> {
  return {
    offset,
    size: 1,
    since,
    get() {
      return this.view.getUint8(this.base + offset);
    },
    set(value) {
      this.view.setUint8(this.base + offset, value);
    },
  };
}

/** Little-endian unsigned 16 bits. */
export function le16(offset: number, since?: string): Field<number> {
  return {
    offset,
    size: 2,
    since,
    get() {
      return this.view.getUint16(this.base + offset, true);
    },
    set(value) {
      this.view.setUint16(this.base + offset, value, true);
    },
  };
}

/** Little-endian unsigned 32 bits. */
export function le32(offset: number, since?: string): Field<number> {
  return {
    offset,
    size: 4,
    since,
    get() {
      return this.view.getUint32(this.base + offset, true);
    },
    set(value) {
      this.view.setUint32(this.base + offset, value, true);
    },
  };
}

/** Little-endian signed 32 bits. */
export function les32(offset: number, since?: string): Field<number> {
  return {
    offset,
    size: 4,
    since,
    get() {
      return this.view.getInt32(this.base + offset, true);
    },
    set(value) {
      this.view.setInt32(this.base + offset, value, true);
    },
  };
}

/** Little-endian unsigned 64 bits as a number: exact below 2^53, and above that large enough to fail any range check. */
export function le64(offset: number, since?: string): Field<number> {
  return {
    offset,
    size: 8,
    since,
    get() {
      return (
        this.view.getUint32(this.base + offset + 4, true) * 0x1_0000_0000 +
        this.view.getUint32(this.base + offset, true)
      );
    },
    set(value) {
      this.view.setUint32(this.base + offset, value % 0x1_0000_0000, true);
      this.view.setUint32(this.base + offset + 4, Math.floor(value / 0x1_0000_0000), true);
    },
  };
}

/** Big-endian unsigned 16 bits (jbd2). */
export function be16(offset: number, since?: string): Field<number> {
  return {
    offset,
    size: 2,
    since,
    get() {
      return this.view.getUint16(this.base + offset);
    },
    set(value) {
      this.view.setUint16(this.base + offset, value);
    },
  };
}

/** Big-endian unsigned 32 bits (jbd2). */
export function be32(offset: number, since?: string): Field<number> {
  return {
    offset,
    size: 4,
    since,
    get() {
      return this.view.getUint32(this.base + offset);
    },
    set(value) {
      this.view.setUint32(this.base + offset, value);
    },
  };
}

/** Raw bytes: the accessor gives a window, not a copy. */
export function bytes(offset: number, size: number, since?: string): Field<Uint8Array> {
  return {
    offset,
    size,
    since,
    get() {
      return new Uint8Array(this.view.buffer, this.view.byteOffset + this.base + offset, size);
    },
    set(value) {
      new Uint8Array(this.view.buffer, this.view.byteOffset + this.base + offset, size).set(value);
    },
  };
}
