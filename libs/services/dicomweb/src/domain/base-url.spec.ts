import { describe, expect, it } from 'vitest';

import { baseUrlOf } from './base-url.js';

const http = (host: string) => ({ host, protocol: 'http' });

describe('the base of URLs in answers', () => {
  it.each([
    ['https://pacs.example', 'https://pacs.example'],
    ['https://pacs.example/', 'https://pacs.example'],
    ['https://pacs.example:8443/imaging//', 'https://pacs.example:8443/imaging'],
    ['http://localhost:8080/pacs', 'http://localhost:8080/pacs'],
  ])('is %s without a slash at its end', (publicUrl, base) => {
    expect(baseUrlOf(http('pacs.example'), publicUrl)).toBe(base);
  });

  it.each([
    ['127.0.0.1:8080', 'http://127.0.0.1:8080/pacs'],
    ['127.1.2.3:9000', 'http://127.1.2.3:9000/pacs'],
    ['[::1]:8080', 'http://[::1]:8080/pacs'],
    // Of a client that leaves out every port.
    ['LOCALHOST', 'http://localhost:8080/pacs'],
    ['[::1]', 'http://[::1]:8080/pacs'],
    ['127.0.0.1:80', 'http://127.0.0.1/pacs'],
  ])('of a site on this machine is the name of it that was asked (%s)', (host, base) => {
    expect(baseUrlOf(http(host), 'http://localhost:8080/pacs/')).toBe(base);
  });

  it('of a site on this machine has the scheme of the connection', () => {
    expect(baseUrlOf({ host: 'localhost:8443', protocol: 'https' }, 'http://127.0.0.1:8080')).toBe(
      'https://localhost:8443',
    );
  });

  it.each([
    '',
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil@localhost',
    'localhost/evil',
    'localhost:99999',
    'localhost?',
    'localhost#',
    'local host',
    '127.0.0.1:8080,evil.example',
    'localhost"><script>',
  ])('of a site on this machine is not what a Host that is none of its names says (%j)', (host) => {
    expect(baseUrlOf(http(host), 'http://localhost:8080')).toBe('http://localhost:8080');
  });

  it('of a site that others reach is its own, whatever a proxy calls this process', () => {
    for (const host of ['127.0.0.1:8080', 'localhost', 'evil.example', '10.0.0.7:8080'])
      expect(baseUrlOf(http(host), 'https://pacs.example/imaging')).toBe('https://pacs.example/imaging');
  });
});
