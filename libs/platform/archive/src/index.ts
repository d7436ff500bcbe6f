export * from './archive.js';
export { ByteBudget } from './byte-budget.js';
export * from './errors.js';
export type { InstanceUids, SopReference } from './instance-bytes.js';
export type { Intake, LedgerEntry } from './ledger.js';
export type { ReconcileProgress } from './reconcile.js';
export { archiveMigrations } from './tables.js';
