import type { IncomingMessage, ServerResponse } from 'node:http';

import { describe, expect, it } from 'vitest';

import { statusPage } from './status-page.js';

const ask = (url: string, options: Parameters<typeof statusPage>[1]): { answered: boolean; page: string } => {
  let page = '';
  const response = { writeHead: () => response, end: (text: string) => (page = text) };
  const answered = statusPage([{ name: 'dicomweb' }], options)(
    { url } as IncomingMessage,
    response as unknown as ServerResponse,
  );
  return { answered, page };
};
const linksOf = (page: string): string[] => [...page.matchAll(/href="([^"]*)"/g)].map(([, href]) => href ?? '');

describe('the page of the site', () => {
  it('says what runs, and links to what people open', () => {
    const { answered, page } = ask('/', { metrics: true });
    expect(answered).toBe(true);
    expect(page).toContain('<li>dicomweb</li>');
    expect(linksOf(page)).toEqual(expect.arrayContaining(['/viewer', '/fhir/metadata', '/readyz', '/metrics']));
    expect(linksOf(ask('/', { metrics: false }).page)).not.toContain('/metrics');
  });

  it('links below the path of a site that shares its host', () => {
    const links = linksOf(ask('/', { metrics: true, prefix: '/imaging' }).page);
    expect(links).toContain('/imaging/viewer');
    expect(links.filter((href) => !href.startsWith('/imaging/'))).toEqual([]);
  });

  it('is at the root alone', () => {
    for (const url of ['/viewer', '/index.htm', '//', '/?x']) expect(ask(url, { metrics: true }).answered).toBe(false);
  });
});
