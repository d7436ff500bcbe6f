import { imaging } from '@callosum/contracts';
import { transferSyntaxOf } from '@callosum/dicom';
import type { StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';

import type { SeriesFrame, SeriesFrames } from '../application/ports/pixels.js';
import { rangesOf } from './older-study-index.js';
import { IndexUnavailableError } from './study-index-grpc.js';

const deadlineMs = 10_000;

/** Frames of a series over gRPC. A study-index of the version before does not know the question (ADR 48): it says nothing. */
export class SeriesFramesGrpc implements SeriesFrames {
  constructor(private readonly client: Pick<StudyIndexClient, 'locateFrames'>) {}

  async *ofSeries(
    studyInstanceUid: string,
    seriesInstanceUid: string,
    signal: AbortSignal,
  ): AsyncGenerator<SeriesFrame> {
    const request = imaging.LocateFramesRequest.fromPartial({ studyInstanceUid, seriesInstanceUid });
    try {
      for await (const message of this.client.locateFrames(request, { deadline: deadlineMs, signal })) {
        // Frames of these are no ranges of their blobs, whatever the index says of them.
        const { bigEndian, deflated } = transferSyntaxOf(message.transferSyntaxUid);
        if (bigEndian || deflated) continue;
        yield {
          blobKey: message.blobKey,
          located: {
            image: message.image,
            encapsulated: message.encapsulated,
            nativeOffset: Number(message.nativeOffset),
            nativeFrameBytes: Number(message.nativeFrameBytes),
            nativeByteCount: Number(message.nativeByteCount),
            frames: message.frames.map(rangesOf),
          },
        };
      }
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      if (error.code !== Status.UNIMPLEMENTED && error.code !== Status.NOT_FOUND)
        throw new IndexUnavailableError(error);
    }
  }
}
