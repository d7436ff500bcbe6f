export * from './facts.js';
export * from './generated-files.js';
