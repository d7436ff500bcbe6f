export { encodedSyntaxes } from '../pixels/encode.js';
export { transferSyntaxesFor } from './choose.js';
export { type ObjectFacts, readFacts } from './facts.js';
export * from './limits.js';
export { nativeSyntaxes } from './plan.js';
export { storedDataset, type TranscodeSource } from './source.js';
export * from './transcode.js';
