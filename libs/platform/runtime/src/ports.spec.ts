import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

import { parseSettings } from '@callosum/config';
import { freePort } from '@callosum/testing';
import { afterEach, describe, expect, it } from 'vitest';

import { assertPortsUsable, platformPorts, PortUnusableError } from './ports.js';
import { platformSettings } from './settings.js';

let other: Server | undefined;
afterEach(() => other?.close());

async function taken(): Promise<number> {
  const port = await freePort();
  other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  return port;
}

const host = '127.0.0.1';

describe('ports of a process', () => {
  it('that are free are free afterwards too', async () => {
    const ports = [{ setting: 'A', host, port: await freePort() }];
    await assertPortsUsable(ports);
    await assertPortsUsable(ports);
  });

  it('of which one is taken: the setting and the port are named, and the others given back', async () => {
    const free = { setting: 'CALLOSUM_HTTP_PORT', host, port: await freePort() };
    const port = await taken();
    const all = assertPortsUsable([free, { setting: 'CALLOSUM_DIMSE_PORT', host, port }]);
    await expect(all).rejects.toThrow(PortUnusableError);
    await expect(all).rejects.toThrow(`CALLOSUM_DIMSE_PORT: port ${port} on 127.0.0.1 is taken by another process`);
    await assertPortsUsable([free]);
  });

  it('that two settings ask for are said to be', async () => {
    const port = await freePort();
    const [http, grpc] = ['CALLOSUM_HTTP_PORT', 'CALLOSUM_GRPC_PORT'].map((setting) => ({ setting, host, port }));
    await expect(assertPortsUsable([http, grpc] as never)).rejects.toThrow('CALLOSUM_GRPC_PORT and CALLOSUM_HTTP_PORT');
  });

  it('on an address of another machine are no ports of ours', async () => {
    const there = { setting: 'CALLOSUM_DIMSE_PORT', host: '192.0.2.1', port: 11112 };
    await expect(assertPortsUsable([there])).rejects.toThrow('CALLOSUM_DIMSE_PORT: port 11112 on 192.0.2.1 cannot be');
  });

  it('are those of the settings: metrics where they have one, gRPC where it is no socket', () => {
    const ports = (env: Record<string, string>) =>
      platformPorts(parseSettings(platformSettings, env)).map(({ setting, port }) => `${setting} ${port}`);
    expect(ports({ CALLOSUM_INTERNAL_GRPC: 'unix:/run/a.sock' })).toEqual(['CALLOSUM_HTTP_PORT 8080']);
    expect(ports({ CALLOSUM_METRICS_PORT: '9464', CALLOSUM_INTERNAL_GRPC: '[::]:50061' })).toEqual([
      'CALLOSUM_HTTP_PORT 8080',
      'CALLOSUM_METRICS_PORT 9464',
      'CALLOSUM_INTERNAL_GRPC 50061',
    ]);
  });
});
