export * from './generated/callosum/results/v1/events.js';
