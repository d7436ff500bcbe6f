export * from './crc32-combine.js';
export * from './errors.js';
export * from './piece.js';
export * from './member.js';
export * from './inflated.js';
