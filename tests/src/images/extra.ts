/** Steps of the fill that belong to one variant. */
import type { ImageVariant } from "./variant.js";

export function fillExtra(variant: ImageVariant, mountPoint: string): void {
  if (variant.extra === undefined) return;
  void mountPoint;
}
