export * from './bind.js';
export * from './settings.js';
