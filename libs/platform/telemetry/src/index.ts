export * from './grpc.js';
export * from './instruments.js';
export * from './logger.js';
export * from './registry/attributes.js';
export * from './registry/log-events.js';
export * from './registry/metrics.js';
export * from './start.js';
export * from './trace.js';
export { tellWarnings } from './warnings.js';
