export * from './generated/callosum/worker/v1/worker_service.js';
export * from './generated/callosum/worker/v1/credential_service.js';
