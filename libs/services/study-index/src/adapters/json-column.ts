import { cleaned } from '../domain/clean-text.js';

/** Text for a jsonb column. */
export const jsonColumn = (value: unknown): string => JSON.stringify(value, cleaned);
