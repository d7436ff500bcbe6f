import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { type ScramListener, TestOidc } from '@callosum/testing';

import { root } from './process.js';

const run = promisify(execFile);

/** Who calls from outside, and what each may. */
const clients = {
  pacs: ['dicom-reader', 'dicom-writer'],
  ehr: ['fhir-reader'],
} as const;
export type Client = keyof typeof clients;

const audience = 'https://callosum.example/api';
/** An issuer's tokens live 300 s. An application shows one nearly to its end, and clocks are wrong meanwhile. */
const tokenUsedMs = 240_000;

/** The AE title traffic is sent under. */
export const modalityAe = 'CHAOS';

/**
 * Everybody proves who they are: HTTP callers by tokens of an identity provider, services to each other by tokens of a
 * shared key, workers by a credential, modalities by title and address, and clients of Kafka by a password over TLS.
 */
export class Access {
  readonly #tokens = new Map<Client, { readonly value: string; readonly until: number }>();

  private constructor(
    private readonly oidc: TestOidc,
    /** Of every service. */
    readonly env: NodeJS.ProcessEnv,
    private readonly keysFile: string,
  ) {}

  /** @param dataDir holds the keys, for their owner only */
  static async start(dataDir: string, kafka: ScramListener | undefined): Promise<Access> {
    const dir = join(dataDir, 'access');
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const keysFile = secret(dir, 'service-keys.json', serviceKeys());
    const oidc = await TestOidc.start({
      audience,
      clients: Object.entries(clients).map(([clientId, roles]) => ({ clientId, secret: `${clientId}-secret`, roles })),
    });
    const env = {
      CALLOSUM_AUTH_OIDC_ISSUER: oidc.issuer,
      CALLOSUM_AUTH_OIDC_AUDIENCE: audience,
      CALLOSUM_AUTH_SERVICE_KEYS_FILE: keysFile,
      CALLOSUM_AUTH_INTERNAL_GRPC: 'token',
      CALLOSUM_AUTH_WORKERS: 'credential',
      CALLOSUM_DIMSE_AES: JSON.stringify([{ aet: modalityAe, host: '127.0.0.1', port: 104 }]),
      ...(kafka ? kafkaSettings(kafka, dir) : {}),
    };
    return new Access(oidc, env, keysFile);
  }

  /** What a client of the site shows. */
  async headers(client: Client): Promise<Record<string, string>> {
    const known = this.#tokens.get(client);
    const isFresh = known !== undefined && Date.now() < known.until;
    const value = isFresh ? known.value : await this.oidc.clientToken(client);
    if (!isFresh) this.#tokens.set(client, { value, until: Date.now() + tokenUsedMs });
    return { authorization: `Bearer ${value}` };
  }

  /** A new credential of a vendor, as an operator issues it. @param address of inference-orchestrator's internal gRPC */
  async workerCredential(vendor: string, address: string): Promise<string> {
    const cli = join(root, 'apps/cli/bin/callosum.mjs');
    const { stdout } = await run(
      process.execPath,
      [cli, 'workers', 'issue', '--vendor', vendor, '--address', address],
      {
        env: {
          ...process.env,
          CALLOSUM_AUTH_INTERNAL_GRPC: 'token',
          CALLOSUM_AUTH_SERVICE_KEYS_FILE: this.keysFile,
        },
      },
    );
    const token = /^token +(\S+)$/m.exec(stdout)?.[1];
    if (!token) throw new Error('no credential was issued');
    return token;
  }

  async stop(): Promise<void> {
    await this.oidc.stop();
  }
}

const serviceKeys = (): string =>
  JSON.stringify({ keys: [{ kid: 'first', k: randomBytes(32).toString('base64url') }] });

function kafkaSettings({ saslBrokers, ca, scram }: ScramListener, dir: string): NodeJS.ProcessEnv {
  return {
    CALLOSUM_KAFKA_BROKERS: saslBrokers.join(','),
    CALLOSUM_KAFKA_TLS: 'true',
    CALLOSUM_KAFKA_TLS_CA_FILE: secret(dir, 'kafka-ca.pem', ca),
    CALLOSUM_KAFKA_SASL: 'scram-sha-512',
    CALLOSUM_KAFKA_USERNAME: scram.username,
    CALLOSUM_KAFKA_PASSWORD: scram.password,
  };
}

function secret(dir: string, name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}
