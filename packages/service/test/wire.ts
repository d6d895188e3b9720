/** Bytes as a transcript writes them. */
export function unhex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(" ", ""), "hex"));
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}
