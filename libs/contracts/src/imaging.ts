export * from './generated/callosum/imaging/v1/events.js';
export * from './generated/callosum/imaging/v1/study_index_service.js';
