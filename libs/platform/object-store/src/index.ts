export * from './errors.js';
export * from './file-object-store.js';
export * from './object-store.js';
export * from './s3-object-store.js';
