import { describe, expect, it } from 'vitest';

import { isStorableTransferSyntax } from '../negotiation.js';
import { storageContexts } from './storage-contexts.js';

const arc = '1.2.840.10008.5.1.4.1.1.';
const ct = `${arc}2`;
const endoscopy = `${arc}77.1.1.1`;
const sr = `${arc}88.22`;
const mpeg2 = '1.2.840.10008.1.2.4.100';
const jpegLossless = '1.2.840.10008.1.2.4.70';
const implicit = '1.2.840.10008.1.2';
const explicit = '1.2.840.10008.1.2.1';
/** What the node stores that comes by C-STORE, of what objects are kept in today. */
const kept = [
  ...[explicit, implicit, '1.2.840.10008.1.2.1.99', '1.2.840.10008.1.2.2', '1.2.840.10008.1.2.5'],
  ...[50, 51, 57, 70, 80, 81, 90, 91, 92, 93, 110, 111, 112, 201, 202, 203].map((n) => `1.2.840.10008.1.2.4.${n}`),
  ...[100, 101, 102, 103, 104, 105, 106, 107, 108].map((n) => `1.2.840.10008.1.2.4.${n}`),
];
const of = (contexts: ReturnType<typeof storageContexts>, sopClassUid: string) =>
  contexts.filter(({ abstractSyntaxUid }) => abstractSyntaxUid === sopClassUid).map((one) => one.transferSyntaxUids);

describe('storage contexts of a C-GET', () => {
  it.each([
    ['known', { sopClassUids: [ct, endoscopy, sr] }],
    ['not known', {}],
    ['not known, second attempt', { prefer: 'breadth' as const }],
  ])('have every syntax the node stores, for images whose classes are %s', (_, options) => {
    const contexts = storageContexts(options);
    expect(contexts.length).toBeLessThanOrEqual(127);
    for (const image of [ct, endoscopy]) expect(new Set(of(contexts, image).flat()), image).toEqual(new Set(kept));
    expect(of(contexts, sr)).toHaveLength(1);
    expect(contexts.flatMap((one) => one.transferSyntaxUids).every(isStorableTransferSyntax)).toBe(true);
    expect(contexts.every(({ roles }) => roles?.scp === true && !roles.scu)).toBe(true);
  });

  it('are one for each syntax where few classes are known: a peer picks one of a context', () => {
    const contexts = storageContexts({ sopClassUids: [ct, endoscopy, sr] });
    expect(of(contexts, ct)).toContainEqual([jpegLossless]);
    expect(of(contexts, ct)).toContainEqual([implicit]);
    expect(of(contexts, endoscopy)).toContainEqual([mpeg2]);
  });

  it('offer what is uncompressed and what is not apart where the classes are many or not known', () => {
    const many = Array.from({ length: 60 }, (_, index) => `1.2.3.${index}`);
    const known = storageContexts({ sopClassUids: many });
    expect(known.length).toBeLessThanOrEqual(127);
    expect(new Set(known.map(({ abstractSyntaxUid }) => abstractSyntaxUid))).toEqual(new Set(many));
    const [plain = [], compressed = []] = of(storageContexts(), ct);
    expect(plain).toContain(explicit);
    expect(compressed[0]).toBe(jpegLossless);
    expect(compressed).not.toContain(explicit);
    // Rare ones come with the second attempt.
    expect(of(storageContexts(), `${arc}82.1`)).toEqual([]);
    expect(of(storageContexts({ prefer: 'breadth' }), `${arc}82.1`)).toHaveLength(1);
  });

  it('have the private classes of the node first, and leave room for the common ones', () => {
    const privateSopClassUids = Array.from({ length: 1_000 }, (_, index) => `1.2.840.99.${index}`);
    const contexts = storageContexts({ privateSopClassUids: privateSopClassUids.slice(0, 2) });
    expect(contexts[0]?.abstractSyntaxUid).toBe('1.2.840.99.0');
    expect(of(contexts, '1.2.840.99.1').length).toBeGreaterThan(0);
    expect(of(storageContexts({ privateSopClassUids, prefer: 'breadth' }), ct)).toHaveLength(1);
  });
});
