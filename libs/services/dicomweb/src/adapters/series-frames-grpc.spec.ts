import { imaging } from '@callosum/contracts';
import type { StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';
import { describe, expect, it } from 'vitest';

import type { SeriesFrame } from '../application/ports/pixels.js';
import { SeriesFramesGrpc } from './series-frames-grpc.js';
import { IndexUnavailableError } from './study-index-grpc.js';

async function framesOf(answer: () => AsyncIterable<imaging.LocateFramesResponse>) {
  const asked: unknown[] = [];
  const client = {
    locateFrames: (request: unknown) => {
      asked.push(request);
      return answer();
    },
  } as unknown as StudyIndexClient;
  const found: SeriesFrame[] = [];
  for await (const frame of new SeriesFramesGrpc(client).ofSeries('1.2', '1.3', new AbortController().signal))
    found.push(frame);
  return { asked, found };
}
async function* failing(code: Status): AsyncGenerator<never> {
  await Promise.resolve();
  yield* [];
  throw new ClientError('/callosum.imaging.v1.StudyIndexService/LocateFrames', code, '');
}

describe('frames of a series', () => {
  it('are asked for without an instance, and each is of its blob', async () => {
    const { asked, found } = await framesOf(async function* () {
      yield await Promise.resolve(
        imaging.LocateFramesResponse.fromPartial({
          sopInstanceUid: '1.4',
          blobKey: 'one',
          encapsulated: true,
          frames: [{ fragments: [{ offset: 7n, byteCount: 3n }] }],
        }),
      );
      yield imaging.LocateFramesResponse.fromPartial({
        sopInstanceUid: '1.5',
        blobKey: 'two',
        image: { rows: 2, columns: 3, frames: 1 },
        nativeOffset: 9n,
        nativeFrameBytes: 6n,
        nativeByteCount: 12n,
      });
    });
    expect(asked).toEqual([
      expect.objectContaining({ studyInstanceUid: '1.2', seriesInstanceUid: '1.3', sopInstanceUid: '', frames: [] }),
    ]);
    expect(found).toMatchObject([
      { blobKey: 'one', located: { encapsulated: true, image: undefined, frames: [[{ offset: 7, length: 3 }]] } },
      {
        blobKey: 'two',
        located: { image: { rows: 2, columns: 3 }, nativeOffset: 9, nativeFrameBytes: 6, nativeByteCount: 12 },
      },
    ]);
  });

  it.each([Status.UNIMPLEMENTED, Status.NOT_FOUND])('are none of an index that cannot say (%i)', async (code) => {
    expect((await framesOf(() => failing(code))).found).toEqual([]);
  });

  it('fail where the index does not answer', async () => {
    await expect(framesOf(() => failing(Status.UNAVAILABLE))).rejects.toBeInstanceOf(IndexUnavailableError);
  });
});
