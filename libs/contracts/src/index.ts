export * as imaging from './imaging.js';
export * as identity from './identity.js';
export * as inference from './inference.js';
export * as results from './results.js';
export * as worker from './worker.js';
export * as operations from './operations.js';
export * from './catalogue.js';
