export * from './generated/callosum/operations/v1/parked_service.js';
export * from './generated/callosum/operations/v1/study_status_service.js';
