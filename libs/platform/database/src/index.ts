export * from './config.js';
export * from './connect.js';
export * from './embedded.js';
export * from './errors.js';
export * from './migrate.js';
export * from './migration-policy.js';
export * from './migration.js';
export * from './provision.js';
