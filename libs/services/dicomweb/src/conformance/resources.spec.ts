import { routes } from '@callosum/auth';
import { describe, expect, it } from 'vitest';

import { parseMediaTypes } from '../domain/media-type.js';
import { resources } from './resources.js';

const keyOf = ({ method, template }: { readonly method: string; readonly template: string }): string =>
  `${method} ${template}`;

describe('the table of resources', () => {
  it('has what is served, and nothing else', () => {
    const served = Object.keys(routes).filter((route) => route.includes(' /dicom-web'));
    expect(resources.map(keyOf).sort()).toEqual(served.sort());
  });

  it.each(resources.map((resource) => [keyOf(resource), resource] as const))(
    'says of %s what can be said',
    (_, one) => {
      expect(one.section).toMatch(/^(8|9|10)\.\d+(\.\d+)*$/);
      expect(one.gives.length).toBeGreaterThan(0);
      for (const text of [...one.takes, ...one.gives]) {
        const [media, ...others] = parseMediaTypes(text);
        expect(others).toEqual([]);
        if (media?.type === 'multipart/related') expect(media.parameters.get('type')).toMatch(/^[a-z]+\/[a-z0-9+-]+$/);
      }
      expect(one.statuses).toEqual([...new Set(one.statuses)].sort((a, b) => a - b));
      // A broken request and a form that is not given are possible everywhere, and all but descriptions read what is stored.
      expect(one.statuses).toEqual(expect.arrayContaining([200, 400, 406]));
      expect(one.statuses.includes(503)).toBe(one.method !== 'OPTIONS');
      expect(one.takes.length > 0).toBe(one.method === 'POST');
      expect(one.statuses.includes(415)).toBe(one.method === 'POST');
      // What names something may name nothing; a search then finds nothing, and a store brings it.
      const names = one.section.startsWith('10.4') || one.section.startsWith('9.') || one.template.endsWith('*');
      expect(one.statuses.includes(404)).toBe(names);
    },
  );
});
