import type { LedgerEntry } from '@callosum/archive';
import { describe, expect, it } from 'vitest';

import type { LocatedInstance, QueryIndex } from '../application/query-ports.js';
import { ShownInstances } from './shown-instances.js';

const at = (number: number): LocatedInstance => ({
  studyInstanceUid: '1.2',
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
    const shown = new ShownInstances(index as QueryIndex, { tombstones, locate: () => Promise.resolve([]) });
    for await (const { sopInstanceUid } of shown.instances({ studyInstanceUid: '1.2' }, new AbortController().signal))
      found.push(sopInstanceUid);
    expect(asked).toEqual([500, 500, 201]);
    expect(found).toHaveLength(1_081);
    expect([found[0], found.at(-1)]).toEqual(['1.4.1', '1.4.1201']);
    expect(found).not.toContain('1.4.700');
  });

  it('are as the archive has them at the moment they come up', async () => {
    const asked: unknown[] = [];
    const archive = {
      tombstones: { withheldAmong: () => Promise.resolve(new Set<string>()) },
      locate: (selection: unknown) => {
        asked.push(selection);
        const entry = {
          series_instance_uid: '1.3',
          sop_instance_uid: '1.4.1',
          sop_class_uid: '1.2.840.10008.5.1.4.1.1.2',
          transfer_syntax_uid: '1.2.840.10008.1.2.1',
          blob_key: 'b1',
        };
        return Promise.resolve([entry as LedgerEntry]);
      },
    };
    const shown = new ShownInstances({} as QueryIndex, archive);
    expect(await shown.now('1.2', ['1.4.1', '1.4.2'])).toEqual([at(1)]);
    expect(asked).toEqual([{ studyInstanceUid: '1.2', sopInstanceUids: ['1.4.1', '1.4.2'] }]);
  });
});
