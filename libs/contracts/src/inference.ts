export * from './generated/callosum/inference/v1/events.js';
export * from './generated/callosum/inference/v1/result.js';
