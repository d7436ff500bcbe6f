import { describe, expect, it } from 'vitest';

import { TooManySearchesError } from '../domain/errors.js';
import { type PageAsker, SearchTurns, type SearchTurnsLimits } from './search-turns.js';

const limits: SearchTurnsLimits = { most: 4, broadMost: 2, broadWaitingMax: 4, waitMsMax: 60_000 };
const by = (asker: string, more: Partial<PageAsker> = {}): PageAsker => ({
  asker,
  isBroad: false,
  isFirst: true,
  ...more,
});
const broad = (asker: string, more: Partial<PageAsker> = {}): PageAsker => by(asker, { isBroad: true, ...more });

/** Pages that look until they are told to end, in the order they have begun. */
function watched(more: Partial<SearchTurnsLimits> = {}) {
  const turns = new SearchTurns({ ...limits, ...more });
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const ask = (name: string, page: PageAsker, signal?: AbortSignal): Promise<void> =>
    turns.run(
      page,
      () => {
        begun.push(name);
        return new Promise<void>((resolve) => ends.set(name, resolve));
      },
      signal,
    );
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { ask, begun, end };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('turns of searches', () => {
  it('are for who has the fewest, however many another asks for', async () => {
    const { ask, begun, end } = watched();
    for (let n = 1; n <= 8; n++) void ask(`much ${n}`, by('much'));
    void ask('one', by('other'));
    await settled();
    expect(begun).toEqual(['much 1', 'much 2', 'much 3', 'much 4']);
    await end('much 1');
    expect(begun.at(-1)).toBe('one');
  });

  it('leave two to others than broad searches, of which one asker does not take the next of another', async () => {
    const { ask, begun, end } = watched();
    for (let n = 1; n <= 4; n++) void ask(`broad ${n}`, broad('much'));
    void ask('theirs', broad('other'));
    void ask('narrow', by('much'));
    await settled();
    expect(begun).toEqual(['broad 1', 'broad 2', 'narrow']);
    await end('broad 2');
    expect(begun.at(-1)).toBe('theirs');
  });

  it('are for who has begun before who has not', async () => {
    const { ask, begun, end } = watched({ most: 1 });
    void ask('now', by('a'));
    void ask('new', by('b'));
    void ask('begun', by('c', { isFirst: false }));
    await settled();
    await end('now');
    expect(begun.at(-1)).toBe('begun');
  });

  it('are refused to who has most broad searches waiting, and make room for another', async () => {
    const { ask } = watched();
    const much = Array.from({ length: 6 }, (_, n) => ask(`much ${n}`, broad('much')));
    await settled();
    await expect(ask('much too much', broad('much'))).rejects.toBeInstanceOf(TooManySearchesError);
    void ask('other', broad('other'));
    // The last that came of who fills the places.
    await expect(much[5]).rejects.toBeInstanceOf(TooManySearchesError);
    // Who has begun is answered to the end.
    void ask('begun', broad('much', { isFirst: false }));
    await settled();
  });

  it('are waited for only so long', async () => {
    const { ask, begun, end } = watched({ most: 1, waitMsMax: 20 });
    void ask('long', by('a'));
    await expect(ask('waits', by('b'))).rejects.toMatchObject({ kind: 'unavailable' });
    void ask('next', by('b'));
    await end('long');
    expect(begun).toEqual(['long', 'next']);
  });

  it('are no longer waited for, and given back, by who does not want them any more', async () => {
    const { ask, begun, end } = watched({ most: 1 });
    const gone = new AbortController();
    void ask('first', by('a'));
    const waits = ask('waits', by('b'), gone.signal);
    gone.abort(new Error('gone'));
    await expect(waits).rejects.toThrow('gone');
    await expect(ask('late', by('b'), gone.signal)).rejects.toThrow('gone');
    void ask('next', by('b'));
    await end('first');
    expect(begun).toEqual(['first', 'next']);
  });
});
