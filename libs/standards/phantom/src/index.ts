export { randomOf } from './random.js';
export { Label } from './thorax.js';
export type * from './thorax-phantom.js';
export * from './thorax-study.js';
export type { LungTruth, ThoraxTruth } from './truth.js';
export * from './tiny.js';
export * from './rejection-note.js';
