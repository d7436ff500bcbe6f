export * from './errors.js';
export * from './tags.js';
export * from './transfer-syntax.js';
export * from './sop-classes.js';
export * from './storage-sop-classes.js';
export * from './service-sop-classes.js';
export { isKnownCharacterSet } from './charset.js';
export { textEncodingOf, type TextEncoding } from './charset/encode.js';
export * from './dataset.js';
export { actualEncoding } from './parse/actual-encoding.js';
export { inOtherByteOrder, wordBytesOf } from './parse/byte-order.js';
export type { Encoding } from './parse/cursor.js';
export {
  fragmentHeads,
  headBytesMax,
  HeadReader,
  insideUnknown,
  itemDelimiter,
  itemTag,
  pixelDataTags,
  sequenceDelimiter,
  undefinedLength,
  undefinedLengthVrs,
} from './parse/head-reader.js';
export * from './parse/limits.js';
export * from './parse/loop-turns.js';
export * from './parse/parse.js';
export * from './parse/read-header.js';
export * from './parse/read-items.js';
export * from './json.js';
export * from './json-parse.js';
export * from './json-slots.js';
export * from './json-text.js';
export * from './json-to-part10.js';
export * from './json-to-part10-image.js';
export * from './json-to-part10-options.js';
export * from './json-to-part10-syntax.js';
export * from './xml.js';
export { type LongDataset, longDataset } from './long/long-dataset.js';
export * from './attributes.js';
export * from './attribute-levels.js';
export * from './write.js';
export { decimalString } from './write-numbers.js';
export * from './encode-dataset.js';
export * from './identifier.js';
export * from './query/index.js';
export * from './implementation.js';
export * from './geometry/slice.js';
export * from './geometry/stack.js';
export * from './geometry/classify.js';
export * from './geometry/select.js';
export * from './geometry/volume.js';
export * from './pixels/layout.js';
export * from './pixels/decode.js';
export * from './pixels/stored-frame.js';
export * from './pixels/transcode-frame.js';
export * from './render/index.js';
export * from './digest.js';
export * from './transcode/index.js';
