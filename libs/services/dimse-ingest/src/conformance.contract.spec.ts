import { serviceSopClassName, serviceSopClassUids, storageSopClasses, transferSyntaxes } from '@callosum/dicom';
import { isStorableTransferSyntax, type ProposedContext, ScuAssociation } from '@callosum/dimse';
import { orSkip } from '@callosum/testing';
import { afterAll, describe, expect, it } from 'vitest';

import { startWatchedNode, type WatchedNode } from '../test-support/watched-node.js';
import { statedServices } from './index.js';

const started = await orSkip(() => startWatchedNode());
afterAll(() => started.server?.stop());

const implicitVrLittleEndian = '1.2.840.10008.1.2';
const ctImageStorage = '1.2.840.10008.5.1.4.1.1.2';

describe.skipIf(started.missing !== undefined)('the running node', () => {
  const node = started.server as WatchedNode;

  /** What it accepts of these, asked in as many associations as they need. */
  async function accepted(proposals: readonly ProposedContext[]): Promise<{ uid: string; transferSyntax: string }[]> {
    const found: { uid: string; transferSyntax: string }[] = [];
    for (let from = 0; from < proposals.length; from += 128) {
      const association = await ScuAssociation.open(node.to(), proposals.slice(from, from + 128));
      for (const { abstractSyntaxUid: uid, transferSyntaxUid: transferSyntax } of association.contexts)
        found.push({ uid, transferSyntax });
      await association.release();
    }
    return found;
  }
  const of = (abstractSyntaxUid: string, ...transferSyntaxUids: string[]): ProposedContext => ({
    abstractSyntaxUid,
    transferSyntaxUids,
  });

  it('serves the SOP classes its conformance statement says, each by its name, and no other we know', async () => {
    const stated = statedServices.filter(({ scp }) => scp).flatMap(({ sopClassUids }) => sopClassUids);
    expect(stated.filter((uid) => serviceSopClassName(uid) === undefined)).toEqual([]);
    const asked = serviceSopClassUids.map((uid) => of(uid, implicitVrLittleEndian));
    expect((await accepted(asked)).map(({ uid }) => uid).sort()).toEqual([...stated].sort());
  });

  it('stores every Storage SOP class it states', async () => {
    const asked = storageSopClasses.map(({ uid }) => of(uid, implicitVrLittleEndian));
    expect(await accepted(asked)).toHaveLength(storageSopClasses.length);
  });

  it('takes objects in every transfer syntax it states, and prefers as it states', async () => {
    const stated = [...transferSyntaxes.keys()].filter(isStorableTransferSyntax);
    const taken = await accepted(stated.map((uid) => of(ctImageStorage, uid)));
    expect(taken.map(({ transferSyntax }) => transferSyntax)).toEqual(stated);
    const [one] = await accepted([
      of(ctImageStorage, '1.2.840.10008.1.2.2', implicitVrLittleEndian, '1.2.840.10008.1.2.1'),
    ]);
    expect(one?.transferSyntax).toBe('1.2.840.10008.1.2.1');
  });
});
