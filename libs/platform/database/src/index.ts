export * from './config.js';
export * from './connect.js';
export * from './embedded.js';
export * from './errors.js';
export * from './migrate.js';
export * from './provision.js';
