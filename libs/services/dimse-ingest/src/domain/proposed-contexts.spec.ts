import { expect, it } from 'vitest';

import { associationLoads } from './proposed-contexts.js';

const [explicit, implicit, jpeg, h264] = [
  '1.2.840.10008.1.2.1',
  '1.2.840.10008.1.2',
  '1.2.840.10008.1.2.4.70',
  '1.2.840.10008.1.2.4.102',
];
const kinds = (sopClassUid: string, ...syntaxes: string[]) =>
  syntaxes.map((transferSyntaxUid) => ({ sopClassUid, transferSyntaxUid }));
const proposed = (...objects: { sopClassUid: string; transferSyntaxUid: string }[]) =>
  associationLoads(objects).map(({ contexts }) =>
    contexts.map(({ transferSyntaxUids }) => transferSyntaxUids.join(' or ')),
  );

it('proposes each stored syntax by itself, and uncompressed ones for a peer that does not take it', () => {
  expect(proposed(...kinds('1.1', jpeg, explicit, jpeg))).toEqual([[jpeg, explicit, implicit]]);
  expect(proposed(...kinds('1.1', jpeg))).toEqual([[jpeg, `${explicit} or ${implicit}`]]);
  expect(proposed(...kinds('1.1', implicit, explicit))).toEqual([[implicit, explicit]]);
  // Video is given in no other syntax.
  expect(proposed(...kinds('1.1', h264))).toEqual([[h264]]);
  expect(associationLoads([])).toEqual([]);
});

it('fills one association with 128 contexts, and the next with the rest', () => {
  const objects = Array.from({ length: 130 }, (_, i) => kinds(`1.${i}`, explicit)).flat();
  const loads = associationLoads([...objects, ...objects]);
  expect(loads.map(({ contexts }) => contexts.length)).toEqual([128, 128, 4]);
  expect(loads.map((load) => load.objects.length)).toEqual([128, 128, 4]);
  for (const { contexts, objects: sent } of loads) {
    const classes = new Set(contexts.map(({ abstractSyntaxUid }) => abstractSyntaxUid));
    expect(sent.every(({ sopClassUid }) => classes.has(sopClassUid))).toBe(true);
  }
});
