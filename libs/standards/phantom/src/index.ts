export { Label } from './thorax.js';
export * from './thorax-study.js';
export * from './tiny.js';
