import { request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { readPart10, ScuAssociation } from '@callosum/dimse';
import { freePort } from '@callosum/testing';

import { Cluster } from '../cluster/cluster.js';
import type { Child } from '../cluster/process.js';
import { benchReads, type ReadFigures, reportReads } from './bench-reads.js';
import { bytesOf, type LargeObject, largeObject, mebi } from './large-objects.js';
import { peakOf } from './peak-memory.js';

export interface MemoryFigures {
  readonly service: string;
  /** Objects sent at the same time, each on a connection of its own, and their bytes. */
  readonly atOnce: number;
  readonly objectMiB: number;
  readonly stored: number;
  readonly refused: number;
  readonly seconds: number;
  /** The most the process held (VmHWM) at rest, and under this load. */
  readonly restMiB: number;
  readonly peakMiB: number;
}

/** Of each form: retrieves share them, so that the S3 server reads its disk once. */
const objectsToRead = 8;

/**
 * `npm run bench -- memory [uploads|reads] [--requests N] [--retrieves N] [--mib N]`: what a door holds when as many large
 * objects come, or are asked for, at once as it lets in. The S3 server has the same cores, so it is slower than what sends:
 * each upload has as much in memory as it may have.
 */
export async function benchMemory(
  dataDir: string,
  args: readonly string[],
): Promise<{ text: string; figures: { readonly uploads: MemoryFigures[]; readonly reads: ReadFigures[] } }> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      associations: { type: 'string', default: '128' },
      requests: { type: 'string', default: '64' },
      retrieves: { type: 'string', default: '256' },
      mib: { type: 'string', default: '24' },
    },
  });
  const [only] = positionals;
  process.env['CALLOSUM_DIMSE_PORT'] = String(await freePort());
  const env = { CALLOSUM_LOG_LEVEL: 'warn', NODE_OPTIONS: process.env['NODE_OPTIONS'] };
  const cluster = await Cluster.create({ dataDir: join(dataDir, 'memory'), env });
  const [dimse, web] = [cluster.start('dimse-ingest'), cluster.start('dicomweb')];
  const mib = Number(values.mib);
  const url = cluster.addresses.http('dicomweb');
  try {
    await Promise.all([cluster.ready(dimse), cluster.ready(web)]);
    await sleep(5_000);
    const uploads =
      only === 'reads'
        ? []
        : [
            await load(dimse, Number(values.associations), mib, (object) =>
              cStore(cluster.addresses.dimsePort, object),
            ),
            await load(web, Number(values.requests), mib, (object) => stow(url, object)),
          ];
    const reads =
      only === 'uploads'
        ? []
        : await benchReads(
            { url, child: web, atOnce: Number(values.retrieves), objectMiB: mib },
            await objectsOf(url, mib * mebi),
          );
    const text = [...(uploads.length > 0 ? [report(uploads)] : []), ...(reads.length > 0 ? [reportReads(reads)] : [])];
    return { text: text.join('\n\n'), figures: { uploads, reads } };
  } finally {
    await Promise.all([dimse, web].map((child) => child.stop()));
    await cluster.stopServers();
  }
}

async function objectsOf(url: string, pixelBytes: number) {
  const stored = async (form: 'explicit' | 'implicit'): Promise<LargeObject[]> => {
    const objects = Array.from({ length: objectsToRead }, () => largeObject(pixelBytes, form));
    for (const object of objects) if (!(await stow(url, object))) throw new Error('an object to read was not stored');
    return objects;
  };
  return { explicit: await stored('explicit'), implicit: await stored('implicit') };
}

async function load(
  child: Child,
  atOnce: number,
  objectMiB: number,
  send: (object: LargeObject) => Promise<boolean>,
): Promise<MemoryFigures> {
  const objects = Array.from({ length: atOnce }, () => largeObject(objectMiB * mebi));
  const restMiB = peakOf(child.pid);
  const started = Date.now();
  const outcomes = await Promise.all(objects.map(send));
  const stored = outcomes.filter(Boolean).length;
  const seconds = Math.round((Date.now() - started) / 100) / 10;
  return {
    service: child.name,
    atOnce,
    objectMiB,
    stored,
    refused: atOnce - stored,
    seconds,
    restMiB,
    peakMiB: peakOf(child.pid),
  };
}

async function cStore(port: number, object: LargeObject): Promise<boolean> {
  const { sopClassUid, sopInstanceUid, transferSyntaxUid, datasetOffset } = await readPart10(object.head);
  const peer = { host: '127.0.0.1', port, calledAet: 'CALLOSUM', callingAet: 'BENCH' };
  const timeouts = { associateMs: 120_000, responseMs: 600_000 };
  try {
    const association = await ScuAssociation.open({ ...peer, timeouts }, [
      { abstractSyntaxUid: sopClassUid, transferSyntaxUids: [transferSyntaxUid] },
    ]);
    const context = association.contextFor(sopClassUid, transferSyntaxUid);
    const answer = await association.store(context, sopClassUid, sopInstanceUid, (chunkBytes) =>
      Readable.from(bytesOf(object, Math.min(chunkBytes, 256 * 1024), datasetOffset)),
    );
    await association.release();
    return answer.status === 0;
  } catch {
    return false;
  }
}

function stow(url: string, object: LargeObject): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request(
      `${url}/dicom-web/studies`,
      { method: 'POST', headers: { 'content-type': 'application/dicom', accept: 'application/dicom+json' } },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    sent.on('error', () => resolve(false));
    pipeline(Readable.from(bytesOf(object), { objectMode: false }), sent).catch(() => resolve(false));
  });
}

function report(figures: readonly MemoryFigures[]): string {
  const rows = figures.map(
    ({ service, atOnce, objectMiB, stored, refused, seconds, restMiB, peakMiB }) =>
      `| ${service} | ${atOnce} × ${objectMiB} MiB | ${stored} | ${refused} | ${seconds} | ${restMiB} | ${peakMiB} |`,
  );
  const head = [
    '| service | at once | stored | refused | seconds | peak at rest, MiB | peak under load, MiB |',
    '|---|---|---|---|---|---|---|',
  ];
  return [...head, ...rows].join('\n');
}
