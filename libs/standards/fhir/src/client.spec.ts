import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import {
  errorOutcome,
  FhirClient,
  FhirRequestError,
  FhirUnavailableError,
  TransactionBuilder,
  type Patient,
} from './index.js';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A server that answers with `answers` in turn and remembers what it was asked. */
async function serve(
  ...answers: ((response: ServerResponse) => void)[]
): Promise<{ client: FhirClient; asked: IncomingMessage[]; impatient: FhirClient }> {
  const asked: IncomingMessage[] = [];
  server = createServer((request, response) => {
    request.resume();
    answers[Math.min(asked.push(request), answers.length) - 1]?.(response);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = (timeoutMs: number): FhirClient =>
    new FhirClient({
      baseUrl: `http://127.0.0.1:${port}/fhir/`,
      timeoutMs,
      retryDelayMsMax: 5,
      accessToken: () => Promise.resolve('secret'),
    });
  // On a busy machine an answer takes its time: only who is to give up is impatient.
  return { client: client(30_000), impatient: client(300), asked };
}
const answer =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void =>
    void response.writeHead(status, { 'content-type': 'application/fhir+json', ...headers }).end(JSON.stringify(body));
const patient = { resourceType: 'Patient', id: 'p', meta: { versionId: '3' } } as const satisfies Patient;
const busy = answer(503, errorOutcome('transient', 'busy'), { 'retry-after': '0' });

describe('FhirClient', () => {
  it('asks with token, If-Match and the right URL', async () => {
    const { client, asked } = await serve(answer(200, patient));
    await client.update(patient, { versionId: '3' });
    await client.create(patient, { ifNoneExist: { identifier: 'urn:a|b c' } });
    expect(asked[0]).toMatchObject({
      method: 'PUT',
      url: '/fhir/Patient/p',
      headers: { 'if-match': 'W/"3"', authorization: 'Bearer secret' },
    });
    expect(asked[1]).toMatchObject({
      method: 'POST',
      url: '/fhir/Patient',
      headers: { 'if-none-exist': 'identifier=urn%3Aa%7Cb%20c' },
    });
  });

  it('tries reads and updates again when the server is busy', async () => {
    const { client, asked } = await serve(busy, answer(429, {}), answer(200, patient));
    expect(await client.read('Patient', 'p')).toMatchObject({ id: 'p' });
    expect(asked).toHaveLength(3);
  });

  it('takes a refused token for an outage, and a missing role for a refusal', async () => {
    const { client: refused } = await serve(answer(401, errorOutcome('login', 'expired')));
    await expect(refused.read('Patient', 'p')).rejects.toMatchObject({ kind: 'unavailable', status: 401 });
    const { client: denied } = await serve(answer(403, errorOutcome('forbidden', 'no role')));
    await expect(denied.read('Patient', 'p')).rejects.toMatchObject({ kind: 'forbidden', status: 403 });
  });

  it('gives up after the last attempt and says it may pass later', async () => {
    const { client, asked } = await serve(busy);
    await expect(client.read('Patient', 'p')).rejects.toMatchObject({
      kind: 'unavailable',
      status: 503,
      issueCodes: ['transient'],
      retryAfterSeconds: 0,
    });
    expect(asked).toHaveLength(3);
  });

  it('never repeats a create or a transaction', async () => {
    const { client, asked } = await serve(busy);
    await expect(client.create(patient)).rejects.toBeInstanceOf(FhirRequestError);
    const builder = new TransactionBuilder();
    builder.create(patient);
    await expect(client.bundle(builder.build())).rejects.toBeInstanceOf(FhirRequestError);
    await expect(client.conditionalUpdate(patient, { identifier: 'x' })).rejects.toBeInstanceOf(FhirRequestError);
    expect(asked).toHaveLength(3);
  });

  it('does not wait for ever, nor for a server that is not there', async () => {
    const { client, impatient } = await serve(() => undefined);
    await expect(impatient.create(patient)).rejects.toBeInstanceOf(FhirUnavailableError);
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
    await expect(client.read('Patient', 'p')).rejects.toMatchObject({ kind: 'unavailable', code: 'fhir.unavailable' });
  });

  it('stops when its caller does', async () => {
    const controller = new AbortController();
    const { client, asked } = await serve(() => controller.abort());
    await expect(client.read('Patient', 'p', controller.signal)).rejects.toBeInstanceOf(FhirUnavailableError);
    expect(asked).toHaveLength(1);
  });

  it('keeps what it asked for and what it was told out of its errors', async () => {
    const { client } = await serve(
      answer(422, errorOutcome('code-invalid', 'Mr Secretname is not a code', 'Patient.gender')),
    );
    const error: unknown = await client.search('Patient', { name: 'Secretname' }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      kind: 'invalid',
      status: 422,
      expressions: ['Patient.gender'],
      message: 'GET Patient answered 422 (code-invalid, Patient.gender)',
    });
    expect(JSON.stringify(error) + String((error as Error).cause)).not.toContain('Secretname');
  });

  it('takes a page of HTML for a broken server', async () => {
    const { client } = await serve((response) => void response.writeHead(200).end('<html>'));
    await expect(client.create(patient)).rejects.toMatchObject({ kind: 'unavailable', status: 502 });
  });

  it.each([
    [408, 'unavailable'],
    [429, 'unavailable'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [504, 'unavailable'],
    [500, 'internal'],
    [507, 'internal'],
    [501, 'invalid'],
    [422, 'invalid'],
  ])('takes %i for %s', async (status, kind) => {
    const { client } = await serve(answer(status, errorOutcome('exception', 'x')));
    await expect(client.create(patient)).rejects.toMatchObject({ status, kind });
  });

  it('follows no next link to another host', async () => {
    const { client } = await serve(
      answer(200, {
        resourceType: 'Bundle',
        type: 'searchset',
        link: [{ relation: 'next', url: 'http://evil.example/fhir?page=2' }],
      }),
    );
    await expect(client.searchAll('Patient', {})).rejects.toBeInstanceOf(FhirRequestError);
  });
});
