/**
 * What a dataset of a message may cost to read (`ParseLimits`): a peer must not make us inflate or build what it did not
 * send. Such datasets have no pixels; the one with most elements is the report of a storage commitment, four for each
 * instance that failed.
 */
export const messageParseLimits = Object.freeze({
  elementsMax: 120_000,
  depthMax: 16,
  inflatedBytesMax: 4 * 1024 * 1024,
});
