import type { ObjectInfo } from '@callosum/object-store';
import { describe, expect, it } from 'vitest';

import { BlobWalk } from './blob-walk.js';

const now = new Date('2026-11-26T09:00:00Z');
const before = new Date('2026-11-25T09:00:00Z');

/** A bucket whose blobs are named by day; each answers when it was modified. It counts what is listed. */
function bucket(blobs: Readonly<Record<string, string>>) {
  const listed: string[] = [];
  return {
    listed,
    async *list(prefix: string): AsyncIterable<ObjectInfo> {
      await Promise.resolve();
      listed.push(prefix);
      for (const key of Object.keys(blobs).sort())
        if (key.startsWith(prefix)) yield { key, byteCount: 1, modifiedAt: new Date(blobs[key] as string) };
    },
  };
}
const blob = (day: string, name: string): string => `default/blobs/${day}/3f/${name}`;
const old = '2026-10-01T00:00:00Z';

async function round(walk: BlobWalk): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of walk.round(before).pages) keys.push(...page);
  return keys;
}

describe('a walk over the blobs', () => {
  it('looks at the days where blobs come of age in each round, and goes back in the others day by day', async () => {
    const days = Array.from({ length: 9 }, (_, ago) =>
      new Date(now.getTime() - ago * 86_400_000).toISOString().slice(0, 10),
    );
    const store = bucket(Object.fromEntries(days.map((day) => [blob(day, 'x'), old])));
    const walk = new BlobWalk(store, 'default', 2);
    const keys = (from: number, to: number): string[] => days.slice(from, to).map((day) => blob(day, 'x'));
    expect(await round(walk)).toEqual([...keys(0, 3), ...keys(3, 5)]);
    expect(await round(walk)).toEqual([...keys(0, 3), ...keys(5, 7)]);
    expect(await round(walk)).toEqual([...keys(0, 3), ...keys(7, 9)]);
    // The oldest was reached: from the youngest again.
    expect(await round(walk)).toEqual(keys(0, 3));
    expect(await round(walk)).toEqual([...keys(0, 3), ...keys(3, 5)]);
  });

  it('passes over days without blobs, and over what is too young', async () => {
    const store = bucket({
      [blob('2026-11-25', 'young')]: '2026-11-25T09:00:00Z',
      [blob('2026-11-25', 'aged')]: '2026-11-25T08:59:59Z',
      [blob('2026-11-26', 'of a clock that is ahead')]: '2026-11-25T08:00:00Z',
      [blob('2026-10-25', 'a month ago')]: old,
    });
    expect(await round(new BlobWalk(store, 'default'))).toEqual([
      blob('2026-11-26', 'of a clock that is ahead'),
      blob('2026-11-25', 'aged'),
      blob('2026-10-25', 'a month ago'),
    ]);
  });

  it('knows which days it has looked at', async () => {
    const store = bucket({
      [blob('2026-11-20', 'x')]: old,
      [blob('2026-11-21', 'w')]: old,
      [blob('2026-11-01', 'y')]: old,
    });
    const walked = new BlobWalk(store, 'default', 4).round(before);
    for await (const _page of walked.pages);
    expect([walked.looked(blob('2026-11-25', 'z')), walked.looked(blob('2026-11-20', 'x'))]).toEqual([true, true]);
    expect(walked.looked(blob('2026-11-01', 'y'))).toBe(false);
  });

  it('has looked at no day that it was stopped in', async () => {
    const many = Array.from({ length: 501 }, (_, at): [string, string] => [blob('2026-11-24', `b${at}`), old]);
    const store = bucket(Object.fromEntries([...many, [blob('2026-11-25', 'a'), old]]));
    const walked = new BlobWalk(store, 'default').round(before);
    for await (const page of walked.pages) if (page.length === 500) break;
    expect([walked.looked(blob('2026-11-25', 'a')), walked.looked(blob('2026-11-24', 'b0'))]).toEqual([true, false]);
  });

  it('lists nothing of other sites, and nothing older where there is nothing', async () => {
    const store = bucket({ 'other/blobs/2026-11-25/3f/x': old });
    expect(await round(new BlobWalk(store, 'default'))).toEqual([]);
    expect(store.listed).toHaveLength(4);
  });
});
