export * from './errors.js';
export * from './ids.js';
export * from './clock.js';
export * from './text.js';
export * from './turns.js';
export * from './lending-body.js';
