import { describe, expect, it } from 'vitest';

import type { LocatedInstance, QueryIndex } from '../application/query-ports.js';
import { ShownInstances } from './shown-instances.js';

const at = (number: number): LocatedInstance => ({
  seriesInstanceUid: '1.3',
  sopInstanceUid: `1.4.${String(number)}`,
  sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
  transferSyntaxUid: '1.2.840.10008.1.2.1',
  blobKey: `b${String(number)}`,
});

describe('instances of a retrieve', () => {
  it('are those that the archive shows, in their order, however many there are', async () => {
    const index: Pick<QueryIndex, 'instances'> = {
      async *instances() {
        await Promise.resolve();
        for (let number = 1; number <= 1_201; number++) yield at(number);
      },
    };
    const asked: number[] = [];
    const tombstones = {
      withheldAmong: (_study: string, uids: readonly string[]) => {
        asked.push(uids.length);
        return Promise.resolve(new Set(uids.filter((uid) => uid.endsWith('0'))));
      },
    };
    const found: string[] = [];
    const shown = new ShownInstances(index as QueryIndex, tombstones);
    for await (const { sopInstanceUid } of shown.instances({ studyInstanceUid: '1.2' }, new AbortController().signal))
      found.push(sopInstanceUid);
    expect(asked).toEqual([500, 500, 201]);
    expect(found).toHaveLength(1_081);
    expect([found[0], found.at(-1)]).toEqual(['1.4.1', '1.4.1201']);
    expect(found).not.toContain('1.4.700');
  });
});
