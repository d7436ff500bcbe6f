import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SettingsError } from '@callosum/config';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';

import { kafkaSecurity, kafkaSettings } from './kafka-settings.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'callosum-kafka-files-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
const settings = (more: Record<string, string> = {}) =>
  z.object(kafkaSettings).parse({
    CALLOSUM_KAFKA_TLS: 'true',
    CALLOSUM_KAFKA_TLS_CA_FILE: join(folder, 'ca.crt'),
    CALLOSUM_KAFKA_TLS_CERT_FILE: join(folder, 'user.crt'),
    CALLOSUM_KAFKA_TLS_KEY_FILE: join(folder, 'user.key'),
    ...more,
  });
const now = ({ tls }: ReturnType<typeof kafkaSecurity>): unknown => (typeof tls === 'function' ? tls() : tls);

describe('certificates for Kafka', () => {
  it('are read again for each connection, and stay what they were while one is being exchanged', () => {
    for (const [name, text] of Object.entries({ 'ca.crt': 'ca', 'user.crt': 'cert 1', 'user.key': 'key 1' }))
      write(name, text);
    const security = kafkaSecurity(settings());
    expect(now(security)).toEqual({ ca: 'ca', cert: 'cert 1', key: 'key 1' });
    write('user.crt', 'cert 2');
    rmSync(join(folder, 'user.key'));
    expect(now(security)).toEqual({ ca: 'ca', cert: 'cert 1', key: 'key 1' });
    write('user.key', 'key 2');
    expect(now(security)).toEqual({ ca: 'ca', cert: 'cert 2', key: 'key 2' });
  });

  it('that are not there at the start end it, with the name of the setting', () => {
    write('ca.crt', 'ca');
    write('user.crt', 'cert');
    expect(() => kafkaSecurity(settings())).toThrow(SettingsError);
    expect(() => kafkaSecurity(settings())).toThrow(/CALLOSUM_KAFKA_TLS_KEY_FILE: the file cannot be read/);
  });
});
