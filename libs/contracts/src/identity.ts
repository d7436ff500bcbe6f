export * from './generated/callosum/identity/v1/events.js';
export * from './generated/callosum/identity/v1/identity_service.js';
