export * from './clients.js';
export * from './definition.js';
export * from './http-errors.js';
export * from './settings.js';
export * from './tokens.js';
