import { CallosumError } from '@callosum/kernel';
import { describe, expect, it } from 'vitest';

import { withPolicyPerFetch } from './consumer.js';
import type { LogEvent } from './event.js';
import { fact, revisionOf } from './test-support/collect.js';

describe('withPolicyPerFetch', () => {
  const places = [fact('k', 1), fact('l', 1), fact('k', 2)];
  /** A store in which nothing is parked at first, and what was asked of it. */
  function store(asked: string[]) {
    return {
      held: (_group: string, of: readonly { key: string }[]) => {
        asked.push(`held ${of.map(({ key }) => key).join(' ')}`);
        return Promise.resolve([]);
      },
      park: (_group: string, { key }: { key: string }) => Promise.resolve(asked.push(`park ${key}`) > 0),
      parkBehind: (_group: string, { key }: { key: string }) => {
        asked.push(`behind ${key}`);
        return Promise.resolve({ retried: false });
      },
    };
  }

  it('asks for parked facts once for all that was fetched together', async () => {
    const asked: string[] = [];
    const handled: string[] = [];
    const dispatch = ({ key }: { key: string }): Promise<void> => Promise.resolve(void handled.push(key));
    const policy = withPolicyPerFetch({ group: 'g', parked: store(asked) as never, dispatch });
    const handler = policy.ofFetched(places);
    for (const event of places) await handler([event]);
    expect(handled).toEqual(['k', 'l', 'k']);
    expect(asked).toEqual(['held k l']);
    await policy.ofFetched(places)([fact('k', 3)]);
    expect(asked, 'of the next fetch anew').toEqual(['held k l', 'held k l']);
  });

  it('parks what comes behind a fact of the same fetch that was parked, and lets other keys go on', async () => {
    const asked: string[] = [];
    const handled: string[] = [];
    const dispatch = ({ key }: { key: string }): Promise<void> =>
      key === 'k' ? Promise.reject(new CallosumError('a.b', 'invalid', 'x')) : Promise.resolve(void handled.push(key));
    const handler = withPolicyPerFetch({ group: 'g', parked: store(asked) as never, dispatch }).ofFetched(places);
    for (const event of places) await handler([event]);
    expect(asked).toEqual(['held k l', 'park k', 'behind k']);
    expect(handled).toEqual(['l']);
  });

  it('handles nothing while it cannot ask, and asks again', async () => {
    const asked: string[] = [];
    const parked = store(asked);
    const { held } = parked;
    parked.held = () => Promise.reject(new Error('the database is away'));
    const handled: string[] = [];
    const dispatch = ({ key }: { key: string }): Promise<void> => Promise.resolve(void handled.push(key));
    const handler = withPolicyPerFetch({ group: 'g', parked: parked as never, dispatch }).ofFetched(places);
    await expect(handler([fact('k', 1)])).rejects.toThrow('away');
    expect(handled).toEqual([]);
    parked.held = held;
    await handler([fact('k', 1)]);
    expect(handled).toEqual(['k']);
  });

  /** Takes up to three facts together, of which the revisions in `broken` cannot be handled. */
  function takingThree(asked: string[], broken: ReadonlySet<number> = new Set()) {
    const done: number[][] = [];
    const handle = (events: readonly LogEvent[]): Promise<void> => {
      const revisions = events.map(revisionOf);
      if (revisions.some((revision) => broken.has(revision)))
        return Promise.reject(new CallosumError('a.b', 'invalid', 'x'));
      done.push(revisions);
      return Promise.resolve();
    };
    const options = {
      group: 'g',
      parked: store(asked) as never,
      dispatch: (event: LogEvent) => handle([event]),
      together: { countOf: (events: readonly LogEvent[]) => Math.min(3, events.length), dispatch: handle },
    };
    const events = Array.from({ length: 7 }, (_, at) => fact('k', at + 1));
    const handler = withPolicyPerFetch(options).ofFetched(events);
    const all = async (lost?: AbortSignal): Promise<void> => {
      for (let at = 0; at < events.length;) at += await handler(events.slice(at), lost);
    };
    return { done, all };
  }

  it('has facts handled together that may be, and says how many were', async () => {
    const { done, all } = takingThree([]);
    await all();
    expect(done).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
  });

  describe('where all that came was handled together', () => {
    function taking() {
      const order: string[] = [];
      const handler = withPolicyPerFetch({
        group: 'g',
        parked: store([]) as never,
        dispatch: () => Promise.resolve(void order.push('one')),
        together: {
          countOf: ({ length }) => length,
          dispatch: ({ length }) => Promise.resolve(void order.push(`${length} together`)),
        },
      }).ofFetched(places);
      /** Whether it resolves, or something that takes as long as nothing. */
      const handled = async (count: number, lost?: AbortSignal): Promise<string[]> => {
        const events = Array.from({ length: count }, (_, at) => fact('k', at + 1));
        const done = handler(events, lost).then(() => order.push('next'));
        await new Promise((resolve) => setTimeout(resolve, 20));
        order.push('20 ms');
        await done;
        return order;
      };
      return { handled };
    }

    it('lets more of them gather before the next run', async () => {
      expect(await taking().handled(5)).toEqual(['5 together', '20 ms', 'next']);
    });

    it('goes on at once behind one that came alone, behind a run that was full, and where the partition is lost', async () => {
      expect(await taking().handled(1)).toEqual(['one', 'next', '20 ms']);
      expect(await taking().handled(32)).toEqual(['32 together', 'next', '20 ms']);
      expect(await taking().handled(5, AbortSignal.abort())).toEqual(['5 together', 'next', '20 ms']);
    });
  });

  it('has each handled by itself where they fail together, and parks the one at fault with what comes behind it', async () => {
    const asked: string[] = [];
    const { done, all } = takingThree(asked, new Set([5]));
    await all();
    expect(done).toEqual([[1, 2, 3], [4]]);
    expect(asked).toEqual(['held k', 'park k', 'behind k', 'behind k']);
  });

  it('tells that what was away for a run answers again, once one of its facts is handled', async () => {
    const recovered: string[] = [];
    const handled: number[] = [];
    const handler = withPolicyPerFetch({
      group: 'g',
      parked: store([]) as never,
      onRecovered: (code) => void recovered.push(code),
      dispatch: (event) => Promise.resolve(void handled.push(revisionOf(event))),
      together: {
        countOf: ({ length }) => length,
        dispatch: () => Promise.reject(new CallosumError('a.away', 'unavailable', 'x')),
      },
    }).ofFetched(places);
    const events = [fact('k', 1), fact('k', 2)];
    expect(await handler(events)).toBe(1);
    expect(await handler(events.slice(1))).toBe(1);
    expect(handled).toEqual([1, 2]);
    expect(recovered).toEqual(['a.away']);
  });

  it('decides nothing about facts that failed together once the partition is another member’s', async () => {
    const asked: string[] = [];
    const { done, all } = takingThree(asked, new Set([2]));
    await expect(all(AbortSignal.abort())).rejects.toMatchObject({ code: 'event-log.partition-lost' });
    expect(done).toEqual([]);
    expect(asked).toEqual(['held k']);
  });
});
