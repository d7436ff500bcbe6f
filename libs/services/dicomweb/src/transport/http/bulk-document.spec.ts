import { DeflatedExplicitVRLittleEndian } from '@callosum/dicom';
import { multipartParts } from '@callosum/testing';
import { afterEach, describe, expect, it } from 'vitest';

import { Blob, inSyntax } from '../../test-support/kept.js';
import { documentOf, objectOf } from '../../test-support/pictures.js';
import { type Served, serveRetrieves } from '../../test-support/serve.js';

const path = '/dicom-web/studies/1.2/series/1.3/instances/1.4/bulkdata';
const pdf = Buffer.from('%PDF-1.7');
const padded = Buffer.concat([pdf, Buffer.from('x')]);
const octets = 'application/octet-stream';

describe('an encapsulated document as bulk data', () => {
  let served: Served;
  afterEach(() => served.close());
  const ask = async (blob: Blob, accept: string, headers = {}, at = '00420011') => {
    served = await serveRetrieves(blob);
    return served.ask(`${path}/${at}`, { accept, ...headers });
  };
  const ofPdf = (): Blob => new Blob(documentOf('1.4', padded, { EncapsulatedDocumentLength: padded.length }));

  it.each(['application/pdf', `text/html, application/pdf;q=0.9, ${octets};q=0.5`, `application/pdf, */*;q=0.1`])(
    'is a PDF for who takes one: %s',
    async (accept) => {
      const { status, headers, body } = await ask(ofPdf(), accept);
      expect([status, headers['content-type'], headers['content-length']]).toEqual([200, 'application/pdf', '9']);
      expect(body).toEqual(padded);
    },
  );

  it('is given by ranges, and in multipart', async () => {
    const part = await ask(ofPdf(), 'application/pdf', { range: 'bytes=1-3' });
    expect([part.status, part.body.toString(), part.headers['content-type']]).toEqual([206, 'PDF', 'application/pdf']);
    await served.close();
    const { status, headers, body } = await ask(ofPdf(), 'multipart/related; type="application/pdf"');
    expect(status).toBe(200);
    const [only, ...others] = multipartParts(headers['content-type'] ?? '', body);
    expect([only?.contentType, Buffer.from(only?.bytes ?? []), others]).toEqual(['application/pdf', padded, []]);
  });

  it.each([octets, '*/*', 'application/*', `application/pdf;q=0.1, ${octets}`])(
    'is octets for who does not say so: %s',
    async (accept) => {
      const { status, headers, body } = await ask(ofPdf(), accept);
      expect(status).toBe(200);
      expect(headers['content-type']).toContain(octets);
      // The value has its padding.
      expect(body.includes(Buffer.concat([padded, Buffer.of(0)]))).toBe(true);
    },
  );

  it('is not what only says it is a PDF, nor another kind; octets stand for it where they are taken', async () => {
    const objects = [
      documentOf('1.4', Buffer.from('<script>alert(1)</script>')),
      documentOf('1.4', pdf, { MIMETypeOfEncapsulatedDocument: 'text/html' }),
      await inSyntax(documentOf('1.4', pdf), DeflatedExplicitVRLittleEndian),
    ];
    for (const [at, bytes] of objects.entries()) {
      const blob = new Blob(bytes, ...(at === 2 ? [DeflatedExplicitVRLittleEndian] : []));
      const refused = await ask(blob, 'application/pdf');
      expect(refused.status).toBe(406);
      expect(refused.body.toString()).toContain(octets);
      expect(refused.body.toString()).not.toContain('pixels');
      await served.close();
      const { status, headers } = await ask(blob, `application/pdf, ${octets};q=0.5`);
      expect([status, headers['content-type']]).toEqual([200, expect.stringContaining(octets)]);
      await served.close();
    }
  });

  it('is not there where the object has none, and no other value is a document', async () => {
    const blob = new Blob(objectOf({ sop: '1.4' }));
    expect((await ask(blob, 'application/pdf')).status).toBe(404);
    await served.close();
    const other = await ask(ofPdf(), 'application/pdf', {}, '00420012');
    expect(other.status).toBe(406);
    expect(other.body.toString()).not.toContain('pixels');
  });
});
