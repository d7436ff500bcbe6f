export * from './archive.js';
export * from './errors.js';
export type { InstanceUids } from './instance-writer.js';
export type { Intake, LedgerEntry } from './ledger.js';
export { archiveMigrations } from './tables.js';
