import type { StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';
import { describe, expect, it } from 'vitest';

import { PeerUnavailableError, StudyNotIndexedError, StudyTooLargeError } from '../application/errors.js';
import { GrpcStudyReader } from './peers.js';

describe('a study of the index', () => {
  const failing = (code: Status, details: string): GrpcStudyReader => {
    const error = new ClientError('/callosum.imaging.v1.StudyIndexService/Method', code, details);
    return new GrpcStudyReader({
      getStudy: () => Promise.reject(error),
      async *streamMetadata() {
        yield* await Promise.resolve([]);
        throw error;
      },
    } as unknown as StudyIndexClient);
  };

  it.each([
    [Status.NOT_FOUND, '', StudyNotIndexedError],
    [Status.UNAVAILABLE, '', PeerUnavailableError],
    [Status.INVALID_ARGUMENT, 'study-index.answer-too-large: ask for less', StudyTooLargeError],
  ] as const)('that is answered with status %i %s is told as what it is', async (code, details, error) => {
    await expect(failing(code, details).study('1.2.840.1')).rejects.toBeInstanceOf(error);
  });

  it('with metadata that fit into no message is not asked for again', async () => {
    const studies = failing(Status.INVALID_ARGUMENT, 'study-index.answer-too-large: ask for less');
    await expect(studies.instances('1.2.840.1', '1.2.840.2')).rejects.toMatchObject({ kind: 'invalid' });
  });
});
