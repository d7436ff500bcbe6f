/**
 * Packs frames of single-bit pixels into one stream (PS3.5 8.1.1 and 8.2): bit 0 of byte 0 is the first pixel of
 * the first frame, frames follow each other without padding, and the whole ends on an even byte.
 */
export class BitPacker {
  readonly bytes: Uint8Array;
  #bit = 0;

  constructor(bitCount: number) {
    const whole = Math.ceil(bitCount / 8);
    this.bytes = new Uint8Array(whole + (whole % 2));
  }

  /** Appends one bit a voxel: set where `voxels[i] === value`. */
  append(voxels: Uint8Array, value: number): void {
    let bit = this.#bit;
    for (let i = 0; i < voxels.length; i++, bit++) {
      if (voxels[i] === value) this.bytes[bit >> 3] = (this.bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
    }
    this.#bit = bit;
  }
}
