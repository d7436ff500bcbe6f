import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';

import { ExplicitVRLittleEndian } from '@callosum/dicom';
import { multipartParts } from '@callosum/testing';
import { describe, expect, it } from 'vitest';

import type { ChosenBodies, PixelBody } from '../../application/read-frames.js';
import { strongETag, weakETag } from '../../domain/etag.js';
import { contentTypeOf, frameChoices } from '../../domain/frame-choices.js';
import { readAccept } from '../../domain/negotiate.js';
import { keptInstance } from '../../test-support/kept.js';
import { bodyOf, pixelsETag } from './pixel-answer.js';

const accept = 'multipart/related; type="application/octet-stream"';
const [choice] = frameChoices(readAccept(accept, undefined), ExplicitVRLittleEndian, true);

/** Three bodies, and which of them were opened when the one before had been read. */
function bodies(ranged: boolean) {
  const events: string[] = [];
  const one = (number: number): PixelBody => ({
    byteCount: 1,
    ranged,
    open: () => {
      events.push(`opened ${String(number)}`);
      const content = async function* (): AsyncGenerator<Uint8Array> {
        await setImmediate();
        yield Buffer.from(String(number));
        events.push(`read ${String(number)}`);
      };
      return Promise.resolve(Readable.from(content(), { objectMode: false }));
    },
  });
  const rest = async function* (): AsyncGenerator<PixelBody> {
    yield* await Promise.resolve([one(2), one(3)]);
  };
  if (!choice) throw new Error('octets are a form of frames');
  const chosen: ChosenBodies = { choice, first: one(1), rest: rest(), count: 3, asStored: true };
  return { events, chosen };
}

describe('several frames as they are stored', () => {
  it.each([
    ['each a range of the blob, are opened one ahead: a store takes its time', true],
    ['but not ranges of the blob, are opened one by one: each may be held from then on', false],
  ])('%s', async (_, ranged) => {
    const { events, chosen } = bodies(ranged);
    const { contentType, byteCount, open } = await bodyOf(chosen, (at) => `https://x/${String(at)}`);
    const body = await buffer(await open());
    expect(body).toHaveLength(byteCount ?? 0);
    expect(multipartParts(contentType, body).map(({ bytes }) => bytes.toString())).toEqual(['1', '2', '3']);
    const isAhead = events.indexOf('opened 2') < events.indexOf('read 1');
    expect(isAhead, events.join()).toBe(ranged);
    expect(events.indexOf('opened 3') < events.indexOf('read 2'), events.join()).toBe(ranged);
  });
});

it('entity tags of pixels are others than when a frame behind the end of the value was given', () => {
  if (!choice) throw new Error('octets are a form of frames');
  const instance = keptInstance();
  const form = `${contentTypeOf(choice)} ${String(choice.multipart)}`;
  const before = ['pixels 1', instance.blobKey, 'frames 3', form];
  const now = pixelsETag(instance, [choice], ['frames 3']);
  expect([weakETag(before), strongETag(before)]).not.toContain(now);
  expect(pixelsETag(instance, [choice], ['frames 3'])).toBe(now);
});
