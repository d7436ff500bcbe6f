import type { imaging } from '@callosum/contracts';
import type { StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';
import { describe, expect, it } from 'vitest';

import { IdentifierError, IndexUnavailableError, MatchTooLargeError } from '../domain/query-errors.js';
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

describe('what a C-FIND asks of the index', () => {
  it.each([
    [Status.INVALID_ARGUMENT, 'study-index.answer-too-large: ask for less', MatchTooLargeError],
    [Status.INVALID_ARGUMENT, 'dicom.malformed-match: match on 00080020', IdentifierError],
    [Status.RESOURCE_EXHAUSTED, '', IndexUnavailableError],
  ] as const)('that fails with status %i %s is told as what it is', async (code, details, error) => {
    const client = {
      async *search() {
        yield* await Promise.resolve([]);
        throw new ClientError('/callosum.imaging.v1.StudyIndexService/Search', code, details);
      },
    } as unknown as StudyIndexClient;
    const asked = { level: 'STUDY', keys: [], fuzzyNames: false, combinedDatetime: false, emptyValues: false } as const;
    const found = new QueryIndexGrpc(client).search(asked, new AbortController().signal);
    await expect(found.next()).rejects.toBeInstanceOf(error);
  });
});
