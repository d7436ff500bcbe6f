import { randomUUID } from 'node:crypto';

import { SourceTooLongError } from './errors.js';
import type { Intake, Origin } from './pending-row.js';

/** What the name of a blob says of how it came; the rest is in its bytes. */
export interface BlobMark {
  readonly key: string;
  readonly arrivedAt: Date;
  readonly intake: Intake;
}

/** An AE title has 16 characters; other senders' names are cut to size where they are made. */
const sourceBytesMax = 96;
/** A UUID has 36. */
const associationBytesMax = 48;
/** Milliseconds in base 36, as wide until the year 5188: names sort by arrival. */
const timeChars = 9;

const letters: Record<Origin, string> = { dimse: 'd', stow: 's', callosum: 'c' };
const origins = new Map(Object.entries(letters).map(([origin, letter]) => [letter, origin as Origin]));

/**
 * A new blob's key: "default/blobs/2026-11-22/3f/<time>.<id>.<origin>.<source>.<association>", source and association
 * in base64url. The key is the one thing that both stores keep beside the bytes without another write, and it is
 * durable with them: from keys and bytes alone the ledger can be written again (rule 5). Nothing here comes from the
 * object, so what a PACS coerces in it cannot make ours look foreign (rule 4).
 * @throws {SourceTooLongError}
 */
export function newBlobKey(site: string, intake: Intake, arrivedAt: Date): string {
  const id = randomUUID();
  const name = [
    arrivedAt.getTime().toString(36).padStart(timeChars, '0'),
    id.replaceAll('-', ''),
    letters[intake.origin],
    encoded(intake.source, sourceBytesMax),
    encoded(intake.associationId ?? '', associationBytesMax),
  ].join('.');
  // A folder of a day and two digits is never too large for a file system.
  return `${site}/blobs/${arrivedAt.toISOString().slice(0, 10)}/${id.slice(0, 2)}/${name}`;
}

const pattern =
  /^[^/]+\/blobs\/\d{4}-\d\d-\d\d\/[0-9a-f]{2}\/([0-9a-z]{9})\.[0-9a-f]{32}\.([dsc])\.([\w-]*)\.([\w-]*)$/;

/** Reads a key that `newBlobKey` made; undefined for any other. */
export function readBlobKey(key: string): BlobMark | undefined {
  const [, time, letter = '', source = '', association = ''] = pattern.exec(key) ?? [];
  const origin = origins.get(letter);
  if (time === undefined || origin === undefined) return undefined;
  const associationId = decoded(association);
  return {
    key,
    arrivedAt: new Date(parseInt(time, 36)),
    intake: { origin, source: decoded(source), ...(associationId === '' ? {} : { associationId }) },
  };
}

/** The day a key's folder names; '' for a key of another form. */
export const dayOf = (key: string): string => key.split('/')[2] ?? '';

function encoded(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length > bytesMax) throw new SourceTooLongError(bytesMax);
  return bytes.toString('base64url');
}

const decoded = (text: string): string => Buffer.from(text, 'base64url').toString();
