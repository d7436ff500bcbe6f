import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { S3ObjectStore } from './s3-object-store.js';

const closing: (() => void)[] = [];
afterEach(() => {
  vi.unstubAllEnvs();
  for (const close of closing.splice(0)) close();
});

/** What a cluster's identity service answers, by AWS STS' own API (AssumeRoleWithWebIdentity). */
const assumed = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAFROMTHEROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>session-of-the-role</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>
<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/callosum/x</Arn><AssumedRoleId>A:x</AssumedRoleId></AssumedRoleUser>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;

async function serve(answer: (request: IncomingMessage, body: string) => string): Promise<string> {
  const server = createServer((request, response) => {
    void text(request).then((body) =>
      response.writeHead(200, { 'content-type': 'text/xml' }).end(answer(request, body)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => void server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('S3 without keys of its own', () => {
  it('signs as the role that the workload’s token is exchanged for', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'callosum-identity-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'token'), 'token-of-the-service-account');
    const asked: string[] = [];
    const sts = await serve((_request, body) => {
      asked.push(body);
      return assumed;
    });
    const signed: IncomingMessage['headers'][] = [];
    const s3 = await serve(({ headers }) => {
      signed.push(headers);
      return '';
    });
    // What a cluster writes into a pod whose service account is annotated with a role.
    for (const [name, value] of Object.entries({
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/callosum',
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
      AWS_ENDPOINT_URL_STS: sts,
      AWS_ACCESS_KEY_ID: '',
      AWS_SECRET_ACCESS_KEY: '',
      AWS_PROFILE: '',
      AWS_CONFIG_FILE: '/nonexistent',
      AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
      AWS_EC2_METADATA_DISABLED: 'true',
    }))
      vi.stubEnv(name, value);

    const store = new S3ObjectStore({ endpoint: s3, region: 'eu-central-1', bucket: 'callosum' });
    await store.ping();
    await store.ping();
    expect(asked).toHaveLength(1);
    expect(asked[0]).toContain('WebIdentityToken=token-of-the-service-account');
    expect(signed).toHaveLength(2);
    for (const { authorization, 'x-amz-security-token': session } of signed) {
      expect(authorization).toContain('Credential=ASIAFROMTHEROLE/');
      expect(session).toBe('session-of-the-role');
    }
  });
});
