import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import { worker } from '@callosum/contracts';
import { echo, ScuAssociation } from '@callosum/dimse';
import { createChannel, createClient } from 'nice-grpc';
import { afterEach, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';

const graceMs = 3_000;
/** What closing takes once the grace is over, on a busy machine; the process itself allows 5 s. */
const closingMs = 8_000;

let system: Callosum | undefined;
afterEach(async () => {
  await system?.killAll();
  system = undefined;
});

const start = async (): Promise<Callosum> =>
  (system = await Callosum.start('drain', { worker: false, env: { CALLOSUM_DRAIN_GRACE_MS: String(graceMs) } }));

/** Ends the system and gives its exit code and how long that took. */
async function ended(running: Callosum): Promise<{ code: number | null; tookMs: number }> {
  const beganAt = Date.now();
  const code = await running.stop();
  return { code, tookMs: Date.now() - beganAt };
}

const verification = { abstractSyntaxUid: '1.2.840.10008.1.1', transferSyntaxUids: ['1.2.840.10008.1.2'] };

/** A STOW-RS request whose body never ends. Resolves with what became of it. */
function hangingStow(running: Callosum): Promise<string> {
  return new Promise((resolve) => {
    const stow = request(`${running.httpUrl}/dicom-web/studies`, {
      method: 'POST',
      headers: { 'content-type': 'multipart/related; type="application/dicom"; boundary=end' },
    });
    stow.on('response', (response) => resolve(`answered ${response.statusCode}`));
    stow.on('error', () => resolve('cut off'));
    stow.write('--end\r\nContent-Type: application/dicom\r\n\r\n');
  });
}

/** A call whose client never sends the message the server waits for. */
function hangingCall(running: Callosum): { readonly end: Promise<string>; close(): void } {
  const channel = createChannel(`127.0.0.1:${running.grpcPort}`);
  const client = createClient(worker.WorkerServiceDefinition, channel);
  const silence = (async function* (): AsyncGenerator<worker.WriteLabelMapRequest> {
    await new Promise(() => undefined);
    yield { part: undefined };
  })();
  const end = client.writeLabelMap(silence).then(
    () => 'answered',
    () => 'cut off',
  );
  return { end, close: () => channel.close() };
}

describe('SIGTERM', () => {
  it('ends a process at once when nothing runs', async () => {
    const { code, tookMs } = await ended(await start());
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(graceMs);
  });

  it('ends a process within one grace, whatever hangs in it', async () => {
    const running = await start();
    const address = { host: '127.0.0.1', port: running.dimsePort, calledAet: 'CALLOSUM', callingAet: 'E2E' };
    const association = await ScuAssociation.open(address, [verification]);
    const stow = hangingStow(running);
    const call = hangingCall(running);
    await sleep(500);

    const end = ended(running);
    // Ready no more, while all of it still hangs.
    let unreadyMs = 0;
    for (const beganAt = Date.now(); ; await sleep(20)) {
      const { status } = await fetch(`${running.httpUrl}/readyz`);
      unreadyMs = Date.now() - beganAt;
      if (status === 503) break;
    }
    expect(unreadyMs).toBeLessThan(graceMs);
    expect((await fetch(`${running.httpUrl}/fhir/metadata`)).status).toBe(503);
    expect((await fetch(`${running.httpUrl}/healthz`)).status).toBe(200);
    await expect(echo(address)).rejects.toThrow();
    // The open association is still served.
    expect((await association.echo(association.contextFor('1.2.840.10008.1.1', '1.2.840.10008.1.2'))).status).toBe(0);

    const { code, tookMs } = await end;
    expect(code).toBe(0);
    expect(tookMs).toBeGreaterThanOrEqual(graceMs - 100);
    expect(tookMs).toBeLessThan(graceMs + closingMs);
    expect([await stow, await call.end]).toEqual(['cut off', 'cut off']);
    association.abort();
    call.close();
    const lines = running.logs().split('\n');
    const messages = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as { msg: string });
    expect(messages.find(({ msg }) => msg === 'drained')).toMatchObject({ abandoned: true });
    expect(messages.find(({ msg }) => msg === 'assoc.aborted')).toMatchObject({ code: 'dimse.shutting-down' });
  });
});
