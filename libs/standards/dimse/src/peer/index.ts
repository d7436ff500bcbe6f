export * from './kept-association.js';
export type { ObjectKind, OtherForm, OutgoingObject } from './outgoing-object.js';
export * from './peer-pool.js';
export * from './query.js';
export * from './storage-contexts.js';
