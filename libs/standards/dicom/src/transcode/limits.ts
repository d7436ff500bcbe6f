/** Limits of transcoding. Each stops an object that would cost far more to transcode than it took to send. */
export interface TranscodeLimits {
  /** Bytes of one decoded frame. A digital mammogram has 28 MB, the largest detectors about 100 MB. */
  readonly frameBytesMax: number;
  /** Bytes of one frame's fragments. A lossless code stream is at most a little longer than its samples. */
  readonly encodedFrameBytesMax: number;
  /** Bytes a deflated dataset may inflate to: nothing of it is held, so this is what an object may have that is not deflated. */
  readonly inflatedBytesMax: number;
  /** Nested sequences, as the parser has it. */
  readonly depthMax: number;
  /** Elements and items of one object, as the parser has it. */
  readonly elementsMax: number;
  /** Decoded bytes of the frames that are worked on at the same time. */
  readonly framesInWorkBytesMax: number;
  /** Bytes of elements after Pixel Data, which are held until they prove to be elements. */
  readonly tailBytesMax: number;
}

export const defaultTranscodeLimits: TranscodeLimits = {
  frameBytesMax: 256 * 1024 * 1024,
  encodedFrameBytesMax: 320 * 1024 * 1024,
  inflatedBytesMax: 16 * 1024 * 1024 * 1024,
  depthMax: 64,
  elementsMax: 4_000_000,
  framesInWorkBytesMax: 64 * 1024 * 1024,
  tailBytesMax: 16 * 1024 * 1024,
};
