import { encodedSyntaxes } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { benchPixels } from './pixels.js';

describe('the bench of pixels', () => {
  it('has a figure of each round for each syntax, both ways, and each kind of picture', async () => {
    const printed: string[] = [];
    const options = { rounds: 2, print: (text: string) => void printed.push(text) };
    const figures = await benchPixels({ options }, { ctSide: 64, dxSide: 80 });
    expect(Object.keys(figures)).toHaveLength(2 * encodedSyntaxes.length + 2 * 4);
    for (const [name, ms] of Object.entries(figures)) {
      expect(ms, name).toHaveLength(2);
      expect(Math.min(...ms), name).toBeGreaterThan(0);
    }
    expect(printed.join('\n')).toContain('| from High-Throughput JPEG 2000');
    expect(printed.join('\n')).toContain('| DX as webp |');
  });
});
