import { EventLogUnavailableError, KafkaAccessError } from '@callosum/event-log';
import { describe, expect, it } from 'vitest';

import { onceItAnswers } from './once-it-answers.js';

const away = new EventLogUnavailableError('away');
/** Fails with each of these, then works. */
function failing(...errors: Error[]): { work(): Promise<void>; tried(): number } {
  let tried = 0;
  return {
    work: () => {
      const error = errors[tried++];
      return error ? Promise.reject(error) : Promise.resolve();
    },
    tried: () => tried,
  };
}

describe('a start without its event log', () => {
  const told: unknown[] = [];
  const options = (ping: () => Promise<void>) => ({
    ping,
    onError: (error: unknown) => told.push(error),
    pauseMsMin: 1,
    pauseMsMax: 4,
  });
  const silent = (): Promise<never> => Promise.reject(away);

  it('waits as long as it is away, and tells each time', async () => {
    const { work, tried } = failing(...Array.from({ length: 12 }, () => away));
    await onceItAnswers(work, options(silent));
    expect(tried()).toBe(13);
    expect(told).toHaveLength(12);
  });

  it('ends with what waiting does not mend', async () => {
    const refused = new KafkaAccessError('not you');
    const { work, tried } = failing(away, refused);
    await expect(onceItAnswers(work, options(silent))).rejects.toBe(refused);
    expect(tried()).toBe(2);
  });

  it('ends with what fails though it answers', async () => {
    const { work } = failing(away, away);
    await expect(
      onceItAnswers(
        work,
        options(() => Promise.resolve()),
      ),
    ).rejects.toBe(away);
  });
});
