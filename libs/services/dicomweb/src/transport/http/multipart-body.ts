import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';

import { LendingBody, type Pieces, piecesOf } from '@callosum/kernel';

import { LengthSaid } from './exactly.js';

export interface BodyPart {
  readonly contentType: string;
  /**
   * URL of the resource that the part is: PS3.18 10.4.3.3.5 wants it of bulk data, as metadata name them. UIDs, tags and
   * numbers below the site's own address, and nothing of a request.
   */
  readonly location?: string;
  /** Bytes of it, where they are known. */
  readonly byteCount?: number;
  /** Opened once. */
  open(): Promise<Readable>;
}

/** Of which only its turn tells what it will be: it is begun then, and opened. */
export interface LaterPart {
  begin(): Promise<BodyPart>;
}

export interface MultipartOptions {
  /**
   * The part behind the one that is sent is opened meanwhile: an object store takes its time to answer. Not for parts that
   * are made when they are opened, and held.
   */
  readonly ahead?: boolean;
}

export interface MultipartBody {
  readonly contentType: string;
  /** Bytes of the whole body, where those of each part are known. */
  readonly byteCount?: number;
  /** Each part is counted: a body of another length breaks. */
  readonly counted: true;
  open(): Promise<Readable>;
}

interface OpenPart {
  readonly part: BodyPart;
  readonly content: Readable;
  /** Where they have been asked for before its turn. */
  readonly pieces?: AsyncIterator<Uint8Array>;
}

/**
 * A multipart/related body (RFC 2387) as a stream: nothing is read before the client has taken what came before. The
 * first part is opened with the body, so that what cannot be read is an error and not a broken answer.
 * @param rootType media type of the parts, as the `type` parameter
 */
export function multipartBody(
  rootType: string,
  parts: AsyncIterable<BodyPart | LaterPart> | readonly BodyPart[],
  { ahead = false }: MultipartOptions = {},
): MultipartBody {
  const boundary = `callosum-${randomUUID()}`;
  const byteCount = Array.isArray(parts) ? bytesOf(boundary, parts as readonly BodyPart[]) : undefined;
  return {
    contentType: `multipart/related; type="${rootType}"; boundary=${boundary}`,
    counted: true,
    ...(byteCount === undefined ? {} : { byteCount }),
    open: async () => {
      const all = inOrder(parts);
      const first = await opened(await nextOf(all));
      // A body that is never read does not run at all.
      const pieces = (isLent: boolean): Pieces => body(boundary, first, all, { ahead, isLent });
      return new LendingBody(pieces).once('close', () => first?.content.destroy());
    },
  };
}

async function* body(
  boundary: string,
  first: OpenPart | undefined,
  all: Parts,
  { ahead, isLent }: { readonly ahead: boolean; readonly isLent: boolean },
): Pieces {
  let next: Promise<NextPart> | undefined;
  let current = first;
  /** That the part before is as long as it said. A file says that it ends in two turns of a thread. */
  let ended: Promise<void> | undefined;
  try {
    for (; current; current = await opened(await (next ?? nextOf(all)))) {
      next = ahead ? readyNextOf(all, isLent) : undefined;
      // It is waited for later, and nobody may ever.
      next?.catch(() => undefined);
      const { part, content } = current;
      yield headOf(boundary, part);
      const length = new LengthSaid(part.byteCount);
      const pieces: AsyncIterator<Uint8Array> = current.pieces ?? piecesOf(content, isLent);
      // One loop and not one in another: a study is thousands of pieces.
      while (!length.isReached) {
        const piece = await pieces.next();
        if (piece.done === true) break;
        yield length.counted(piece.value);
      }
      length.assertWhole();
      await ended;
      ended = endOfPart(content, pieces, length);
      ended.catch(() => undefined);
      yield afterPart;
    }
    await ended;
    yield endOf(boundary);
  } finally {
    // Whoever goes before the end leaves a part open, and one behind it.
    current?.content.destroy();
    void next?.then(
      (part) => part && 'content' in part && part.content.destroy(),
      () => undefined,
    );
    await all.return(undefined);
  }
}

/** @throws {WrongLengthError} when it goes on behind the length that was said: it is closed then, and waits for no other part */
async function endOfPart(content: Readable, pieces: AsyncIterator<Uint8Array>, length: LengthSaid): Promise<void> {
  try {
    for (let piece = await pieces.next(); piece.done !== true; piece = await pieces.next()) length.counted(piece.value);
  } catch (error) {
    content.destroy();
    throw error;
  }
}

/** The first piece of one that is there is on its way when its turn comes. What is made as it is read waits, and holds nothing. */
async function readyNextOf(all: Parts, isLent: boolean): Promise<NextPart> {
  const part = await nextOf(all);
  if (!part || !('byteCount' in part) || part.byteCount === undefined) return part;
  const content = await part.open();
  // It may fail before its turn. An error event that nobody hears ends the process: here it is heard, and thrown at its turn.
  content.on('error', () => undefined);
  return { part, content, pieces: piecesOf(content, isLent) };
}

type Parts = AsyncGenerator<BodyPart | LaterPart, undefined, undefined>;
/** Undefined behind the last one. */
type NextPart = BodyPart | LaterPart | OpenPart | undefined;

const nextOf = async (all: Parts): Promise<BodyPart | LaterPart | undefined> => (await all.next()).value;

/** At its turn. */
async function opened(next: NextPart): Promise<OpenPart | undefined> {
  if (!next || 'content' in next) return next;
  const part = 'begin' in next ? await next.begin() : next;
  return { part, content: await part.open() };
}

async function* inOrder(parts: AsyncIterable<BodyPart | LaterPart> | Iterable<BodyPart>): Parts {
  yield* parts;
  return undefined;
}

const afterPart = Buffer.from('\r\n');
const endOf = (boundary: string): Buffer => Buffer.from(`--${boundary}--\r\n`);

function headOf(boundary: string, { contentType, location }: BodyPart): Buffer {
  const where = location === undefined ? '' : `Content-Location: ${location}\r\n`;
  return Buffer.from(`--${boundary}\r\nContent-Type: ${contentType}\r\n${where}\r\n`);
}

/** Undefined where that of one of them is not known. */
function bytesOf(boundary: string, parts: readonly BodyPart[]): number | undefined {
  let sum = endOf(boundary).length;
  for (const part of parts) {
    if (part.byteCount === undefined) return undefined;
    sum += headOf(boundary, part).length + part.byteCount + afterPart.length;
  }
  return sum;
}
