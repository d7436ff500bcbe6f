export * from './errors.js';
export * from './negotiation.js';
export { type Part10, readPart10 } from './part10.js';
export * from './scp.js';
export * from './scp-server.js';
export * from './scu-association.js';
export * from './status.js';
export * from './store-files.js';
export * from './store-outcome.js';
