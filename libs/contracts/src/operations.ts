export * from './generated/callosum/operations/v1/parked_service.js';
