export * from './missing-prerequisite.js';
export * from './postgres.js';
export * from './kafka.js';
export type { TestKafka } from './test-kafka.js';
export * from './s3.js';
export * from './test-data.js';
export { freePort, accepts, startProcess, type ServerProcess, type ServerCommand } from './processes.js';
export { cachedTool, repositoryRoot } from './tools-folder.js';
export * from './child.js';
