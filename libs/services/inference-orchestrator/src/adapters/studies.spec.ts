import type { StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';
import { describe, expect, it } from 'vitest';

import { StudyNotIndexedError, StudyTooLargeError, StudyUnavailableError } from '../domain/errors.js';
import { GrpcStudies } from './studies.js';

describe('a study of the index', () => {
  const studyInstanceUid = '1.2.840.1';
  const failing = (code: Status, details: string): GrpcStudies => {
    const error = new ClientError('/callosum.imaging.v1.StudyIndexService/Method', code, details);
    return new GrpcStudies({
      getStudy: () => Promise.reject(error),
      async *streamMetadata() {
        yield* await Promise.resolve([]);
        throw error;
      },
    } as unknown as StudyIndexClient);
  };

  it.each([
    [Status.NOT_FOUND, '', StudyNotIndexedError],
    [Status.UNAVAILABLE, '', StudyUnavailableError],
    [Status.INVALID_ARGUMENT, 'study-index.answer-too-large: ask for less', StudyTooLargeError],
  ] as const)('that is answered with status %i %s is told as what it is', async (code, details, error) => {
    await expect(failing(code, details).study(studyInstanceUid)).rejects.toBeInstanceOf(error);
  });

  it('with metadata that fit into no message is not asked for again', async () => {
    const studies = failing(Status.INVALID_ARGUMENT, 'study-index.answer-too-large: ask for less');
    await expect(studies.locate(studyInstanceUid, '1.2.840.2')).rejects.toMatchObject({ retriable: false });
    const hidden = failing(Status.NOT_FOUND, '').locate(studyInstanceUid, '1.2.840.2');
    await expect(hidden).rejects.toBeInstanceOf(StudyNotIndexedError);
    const away = failing(Status.UNAVAILABLE, '').locate(studyInstanceUid, '1.2.840.2');
    await expect(away).rejects.toMatchObject({ retriable: true });
  });
});
