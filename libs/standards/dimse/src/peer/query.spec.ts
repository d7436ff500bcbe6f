import { datasetOf, DicomParseError, encodeDataset } from '@callosum/dicom';
import { afterEach, describe, expect, it } from 'vitest';

import { openPolicy, type Provider, startProvider } from '../../test-support/providers.js';
import { findDatasets, ScuAssociation, StudyRoot } from '../index.js';

const deflated = '1.2.840.10008.1.2.1.99';
const deflatedOf = (TextValue: string): Buffer =>
  Buffer.from(encodeDataset(datasetOf({ PatientID: 'MRN-1', TextValue }), { transferSyntaxUid: deflated }).bytes);

let provider: Provider | undefined;
afterEach(() => provider?.server.close(0));

/** What an archive answers, in a transfer syntax that inflates. */
async function answerOf(identifier: Buffer) {
  const accept = ({ transferSyntaxUids }: { transferSyntaxUids: readonly string[] }) => ({
    transferSyntaxUid: transferSyntaxUids[0],
    storage: false,
  });
  provider = await startProvider({}, undefined, {
    handler: {
      async *find() {
        yield await Promise.resolve({ identifier });
      },
    },
    policy: openPolicy([], { accept }),
  });
  const to = { host: '127.0.0.1', port: provider.port, calledAet: 'PACS', callingAet: 'TEST' };
  const context = { abstractSyntaxUid: StudyRoot.Find, transferSyntaxUids: [deflated] };
  const association = await ScuAssociation.open(to, [context]);
  try {
    return await findDatasets(association, StudyRoot.Find, { '00100020': { vr: 'LO' } }).next();
  } finally {
    association.abort();
  }
}

describe('an answer of a C-FIND', () => {
  it('is read, in a transfer syntax that inflates too', async () => {
    const { value } = await answerOf(deflatedOf('short'));
    expect(value).toMatchObject({ '00100020': { Value: ['MRN-1'] } });
  });

  it('that inflates to more than a message may have is not read', async () => {
    const bomb = deflatedOf(Array.from({ length: 700_000 }, (_, i) => i).join(' '));
    expect(bomb.length).toBeLessThan(2 * 1024 * 1024);
    await expect(answerOf(bomb)).rejects.toBeInstanceOf(DicomParseError);
  });
});
