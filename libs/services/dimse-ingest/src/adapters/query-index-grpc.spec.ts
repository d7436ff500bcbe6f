import type { imaging } from '@callosum/contracts';
import type { StudyIndexClient } from '@callosum/runtime';
import { describe, expect, it } from 'vitest';

import { QueryIndexGrpc } from './query-index-grpc.js';

describe('what a retrieve asks of the index', () => {
  it('is where blobs are, without the layout of their pixels', async () => {
    const asked: unknown[] = [];
    const client = {
      async *locateInstances(request: imaging.LocateInstancesRequest) {
        asked.push(request);
        const instance = {
          sopInstanceUid: '1.2.3',
          sopClassUid: '1.2',
          transferSyntaxUid: '1.2.1',
          blob: { key: 'k' },
        };
        yield await Promise.resolve({ seriesInstanceUid: '1.2.9', instance });
      },
    } as unknown as StudyIndexClient;
    const found: unknown[] = [];
    const part = { studyInstanceUid: '1.2.8' };
    for await (const one of new QueryIndexGrpc(client).instances(part, new AbortController().signal)) found.push(one);
    expect(asked).toEqual([expect.objectContaining({ ...part, withoutPixelData: true })]);
    expect(found).toEqual([
      {
        studyInstanceUid: '1.2.8',
        seriesInstanceUid: '1.2.9',
        sopInstanceUid: '1.2.3',
        sopClassUid: '1.2',
        transferSyntaxUid: '1.2.1',
        blobKey: 'k',
      },
    ]);
  });
});
