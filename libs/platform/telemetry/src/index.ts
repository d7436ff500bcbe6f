export * from './grpc.js';
export * from './logger.js';
export * from './start.js';
export * from './trace.js';
