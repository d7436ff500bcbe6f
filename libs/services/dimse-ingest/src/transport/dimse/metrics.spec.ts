import { echo } from '@callosum/dimse';
import { afterAll, expect, it } from 'vitest';

import { startGauges } from '../../../test-support/gauges.js';
import { MemoryNode } from '../../test-support/memory-node.js';
import { DimseMetrics } from './metrics.js';

const gauges = startGauges();
afterAll(() => gauges.stop());

const callers = async (name: string): Promise<string[]> =>
  (await gauges.points(name)).map(({ attributes }) => String(attributes['dicom.calling_ae'])).sort();

it('names those who may call, however many made-up titles were turned away before', async () => {
  const metrics = new DimseMetrics();
  for (let index = 0; index < 300; index++) metrics.rejected(`SCAN${index}`, 'unknown-aet', false);
  metrics.rejected('MR1', 'wrong-certificate', true);
  metrics.echoed('CT1');
  expect(await callers('callosum.dimse.associations')).toEqual(['MR1', 'unknown']);
  expect(await callers('callosum.dimse.echoes')).toEqual(['CT1']);
  // Where everybody may call, names are made up by those who are let in.
  for (let index = 0; index < 300; index++) metrics.echoed(`MADE${index}`);
  const echoes = await callers('callosum.dimse.echoes');
  // 200 names with MR1, which asked for no echo, and one label for the rest.
  expect(echoes).toHaveLength(200);
  expect(echoes).toContain('other');
});

it('at the port: a title no entry has is unknown, one that calls from elsewhere is named', async () => {
  const aes = [
    { aet: 'US1', host: '127.0.0.1' },
    { aet: 'XA1', host: '10.1.2.3' },
  ];
  const node = await MemoryNode.start({ CALLOSUM_DIMSE_AES: JSON.stringify(aes) });
  try {
    await echo(node.to({ callingAet: 'US1' }));
    for (const callingAet of ['SCANNER', 'XA1']) await expect(echo(node.to({ callingAet }))).rejects.toThrow();
    await expect.poll(() => callers('callosum.dimse.associations')).toContain('US1');
    const named = await callers('callosum.dimse.associations');
    expect(named).toEqual(expect.arrayContaining(['US1', 'XA1', 'unknown']));
    expect(named).not.toContain('SCANNER');
  } finally {
    await node.close();
  }
});
