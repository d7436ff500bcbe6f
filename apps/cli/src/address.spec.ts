import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { parseSettings } from '@callosum/config';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { addressOf, serviceAddresses } from './address.js';
import { NotRunningError, UsageError } from './errors.js';
import { type CliSettings, cliSettings } from './settings.js';

let dataDir: string;
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'callosum-cli-'));
  const grpc = { 'study-index': 'unix:/run/a.sock', dicomweb: 'unix:/run/b.sock' };
  writeFileSync(join(dataDir, 'run.json'), JSON.stringify({ grpc }));
});
afterAll(() => rmSync(dataDir, { recursive: true }));

const settings = (env: Record<string, string> = {}): CliSettings =>
  parseSettings(cliSettings, { CALLOSUM_DATA_DIR: dataDir, ...env });

describe('where one service answers', () => {
  const own = { CALLOSUM_STUDY_INDEX_GRPC: 'own:1' };
  const listed = { CALLOSUM_SERVICES_GRPC: 'dicomweb=listed:2,study-index=listed:1' };

  it.each([
    ['what is given', ['given:1'], { ...own, ...listed }, 'given:1'],
    ['what is given with its name', ['dicomweb=given:2', 'study-index=given:1'], { ...own, ...listed }, 'given:1'],
    ['a socket whose path has an equals sign', ['unix:/a=b/c.sock'], {}, 'unix:/a=b/c.sock'],
    ['its own setting', undefined, { ...own, ...listed }, 'own:1'],
    ['the list of all', undefined, listed, 'listed:1'],
    ['the running system, when settings are empty', undefined, { CALLOSUM_STUDY_INDEX_GRPC: '' }, 'unix:/run/a.sock'],
  ])('is %s', (_, given, env, address) => expect(addressOf('study-index', given, settings(env))).toBe(address));

  it('is not that of another service', () => {
    expect(() => addressOf('study-index', ['dicomweb=given:2'], settings())).toThrow(UsageError);
    expect(() => addressOf('fhir-gateway', undefined, settings())).toThrow(UsageError);
    expect(() => addressOf('study-index', ['study-idnex=given:2'], settings())).toThrow(UsageError);
    expect(addressOf('inference-orchestrator', undefined, settings({ CALLOSUM_INFERENCE_GRPC: 'own:3' }))).toBe(
      'own:3',
    );
  });

  it('is not known where nothing runs', () => {
    const nowhere = settings({ CALLOSUM_DATA_DIR: join(dataDir, 'none') });
    expect(() => addressOf('study-index', undefined, nowhere)).toThrow(NotRunningError);
    expect(() => serviceAddresses(undefined, nowhere)).toThrow(NotRunningError);
  });
});

describe('where services answer', () => {
  const two = [
    { service: 'dicomweb', address: 'x:2' },
    { service: 'study-index', address: 'y:1' },
  ];

  it('is given, else listed, else what runs', () => {
    expect(serviceAddresses(['dicomweb=x:2', 'study-index=y:1'], settings())).toEqual(two);
    const listed = settings({ CALLOSUM_SERVICES_GRPC: 'dicomweb=x:2, study-index=y:1' });
    expect(serviceAddresses(undefined, listed)).toEqual(two);
    expect(serviceAddresses(['fhir-gateway=z:3'], listed)).toEqual([{ service: 'fhir-gateway', address: 'z:3' }]);
    expect(
      serviceAddresses(undefined, settings())
        .map(({ address }) => address)
        .sort(),
    ).toEqual(['unix:/run/a.sock', 'unix:/run/b.sock']);
  });

  it.each(['x:2', 'nobody=x:2', 'dicomweb=', ''])('is not understood of "%s"', (text) => {
    expect(() => serviceAddresses([text], settings())).toThrow(UsageError);
  });
});
