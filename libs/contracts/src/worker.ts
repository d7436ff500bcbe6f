export * from './generated/callosum/worker/v1/worker_service.js';
