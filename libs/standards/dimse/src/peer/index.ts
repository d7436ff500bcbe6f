export * from './kept-association.js';
export { type ObjectKind, type OtherForm, type OutgoingObject, storeOver } from './outgoing-object.js';
export * from './query.js';
export * from './storage-contexts.js';
