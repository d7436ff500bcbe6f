import { errorCode } from '@callosum/kernel';

/** True of IndexUnavailableError: study-index does not answer. What it would say is in the objects too. */
export const isIndexAway = (error: unknown): boolean => errorCode(error) === 'dicomweb.index-unavailable';
