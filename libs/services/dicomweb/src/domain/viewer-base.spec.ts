import { describe, expect, it } from 'vitest';

import { viewerBase, withBase } from './viewer-base.js';

const moved = (text: string, extension: string, base = viewerBase('')): string =>
  withBase(Buffer.from(text), extension, base).toString();

describe('withBase', () => {
  it('moves what pages, styles and bundles name from the root', () => {
    expect(moved('<script src="/app.js"></script><link href="/a.css"><script>PUBLIC_URL="/"</script>', '.html')).toBe(
      '<script src="/viewer/app.js"></script><link href="/viewer/a.css"><script>PUBLIC_URL="/viewer/"</script>',
    );
    expect(moved('@font-face{src:url(/a.woff2)}b{c:url("/d.png")}', '.css')).toBe(
      '@font-face{src:url(/viewer/a.woff2)}b{c:url("/viewer/d.png")}',
    );
    expect(moved('a;__webpack_require__.p = "/";n.p="/",b', '.js')).toBe(
      'a;__webpack_require__.p = "/viewer/";n.p="/viewer/",b',
    );
  });

  it('moves them under the path of a site that shares its host', () => {
    const base = viewerBase('/a/imaging');
    expect(moved('<script src="/app.js"></script><script>PUBLIC_URL="/"</script>', '.html', base)).toBe(
      '<script src="/a/imaging/viewer/app.js"></script><script>PUBLIC_URL="/a/imaging/viewer/"</script>',
    );
    expect(moved('b{c:url(/d.png)}', '.css', base)).toBe('b{c:url(/a/imaging/viewer/d.png)}');
    expect(moved('n.p="/",b', '.js', base)).toBe('n.p="/a/imaging/viewer/",b');
  });

  it('leaves relative paths, other hosts, other strings and other files alone', () => {
    for (const [text, extension] of [
      ['<a href="page"><a href="//host/x">', '.html'],
      ['a{b:url(c.png);d:url(data:image/png;base64,xx)}', '.css'],
      ['x.path="/";n.p="";y="/"', '.js'],
      ['url(/x) src="/y"', '.wasm'],
    ] as const) {
      expect(moved(text, extension)).toBe(text);
    }
  });
});
