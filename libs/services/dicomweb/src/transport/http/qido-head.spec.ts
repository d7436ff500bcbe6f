import { expect, it } from 'vitest';

import { studies, useQidoDoor } from '../../test-support/qido-door.js';

const door = useQidoDoor();

it('a HEAD of a search warns of all that its GET warns of', async () => {
  door.answer = studies(9, ['00091001']);
  const url = '/dicom-web/studies?limit=2&orderby=x&00091001=x';
  const [head, get] = [await door.http.inject({ method: 'HEAD', url }), await door.http.inject(url)];
  expect(String(get.headers['warning']).split('", 299')).toHaveLength(3);
  expect([head.statusCode, head.body, head.headers['warning']]).toEqual([200, '', get.headers['warning']]);
});
