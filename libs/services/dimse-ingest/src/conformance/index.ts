// What the DICOM Conformance Statement (docs/conformance/dicom.md) states of this node, as its tables are made from it.
export * from './attributes.js';
export * from './behaviour.js';
export * from './contexts.js';
export * from './rejections.js';
export * from './services.js';
export * from './statuses.js';
