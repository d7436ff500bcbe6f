export * from './errors.js';
export * from './file-object-store.js';
export { fileWriters } from './file-writers.js';
export * from './object-store.js';
export * from './s3-object-store.js';
export { type S3Checksum, s3Defaults, type S3Encryption, type S3ObjectStoreOptions } from './s3-options.js';
