import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { readPart10, ScuAssociation } from '@callosum/dimse';
import { newId } from '@callosum/kernel';
import { tinySeries } from '@callosum/phantom';
import { freePort } from '@callosum/testing';

import { Cluster } from '../cluster/cluster.js';
import type { Child } from '../cluster/process.js';

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

const mebi = 1024 * 1024;
/** Explicit VR: tag, VR, two reserved bytes, length (PS3.5 section 7.1.2). */
const pixelDataHeaderBytes = 12;
const chunk = Buffer.alloc(256 * 1024, 0x55);

/**
 * `npm run bench -- memory [--objects N] [--mib N]`: what a door holds when as many large objects come at once as it lets in.
 * The S3 server has the same cores, so it is slower than what sends: each upload has as much in memory as it may have.
 */
export async function benchMemory(
  dataDir: string,
  args: readonly string[],
): Promise<{ text: string; figures: MemoryFigures[] }> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      associations: { type: 'string', default: '128' },
      requests: { type: 'string', default: '64' },
      mib: { type: 'string', default: '24' },
    },
  });
  process.env['CALLOSUM_DIMSE_PORT'] = String(await freePort());
  const env = { CALLOSUM_LOG_LEVEL: 'warn', NODE_OPTIONS: process.env['NODE_OPTIONS'] };
  const cluster = await Cluster.create({ dataDir: join(dataDir, 'memory'), env });
  const [dimse, web] = [cluster.start('dimse-ingest'), cluster.start('dicomweb')];
  const mib = Number(values.mib);
  try {
    await Promise.all([cluster.ready(dimse), cluster.ready(web)]);
    await sleep(5_000);
    return report([
      await load(dimse, Number(values.associations), mib, (object) => cStore(cluster.addresses.dimsePort, object)),
      await load(web, Number(values.requests), mib, (object) => stow(cluster.addresses.http('dicomweb'), object)),
    ]);
  } finally {
    await Promise.all([dimse, web].map((child) => child.stop()));
    await cluster.stopServers();
  }
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

interface LargeObject {
  /** The whole file without the value of Pixel Data, its last element. */
  readonly head: Buffer;
  readonly pixelBytes: number;
}

function largeObject(pixelBytes: number): LargeObject {
  const salt = newId();
  const [instance] = tinySeries({ salt, slices: 1, overrides: { PatientID: salt.slice(0, 16) } });
  const bytes = Buffer.from(instance?.bytes ?? []);
  const at = bytes.lastIndexOf(Buffer.from([0xe0, 0x7f, 0x10, 0x00]));
  const head = Buffer.from(bytes.subarray(0, at + pixelDataHeaderBytes));
  head.writeUInt32LE(pixelBytes, at + 8);
  return { head, pixelBytes };
}

/** From an offset of the head on, in pieces of at most `chunkBytes`. */
function* bytesOf({ head, pixelBytes }: LargeObject, chunkBytes = chunk.byteLength, from = 0): Generator<Buffer> {
  for (let at = from; at < head.byteLength; at += chunkBytes) yield head.subarray(at, at + chunkBytes);
  for (let left = pixelBytes; left > 0; left -= chunkBytes) yield chunk.subarray(0, Math.min(left, chunkBytes));
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
      Readable.from(bytesOf(object, Math.min(chunkBytes, chunk.byteLength), datasetOffset)),
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

/** proc(5): the most a process has held. */
function peakOf(pid: number): number {
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(peak?.[1] ?? 0) / 1024);
}

function report(figures: MemoryFigures[]): { text: string; figures: MemoryFigures[] } {
  const rows = figures.map(
    ({ service, atOnce, objectMiB, stored, refused, seconds, restMiB, peakMiB }) =>
      `| ${service} | ${atOnce} × ${objectMiB} MiB | ${stored} | ${refused} | ${seconds} | ${restMiB} | ${peakMiB} |`,
  );
  const head = [
    '| service | at once | stored | refused | seconds | peak at rest, MiB | peak under load, MiB |',
    '|---|---|---|---|---|---|---|',
  ];
  return { text: [...head, ...rows].join('\n'), figures };
}
