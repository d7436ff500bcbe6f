import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';

export interface BodyPart {
  readonly contentType: string;
  /** Opened when the part before it has been sent. */
  open(): Promise<Readable>;
}

/**
 * A multipart/related body (RFC 2387) as a stream: nothing is read before the client has taken what came before. The
 * first part is opened with the body, so that what cannot be read is an error and not a broken answer.
 * @param rootType media type of the parts, as the `type` parameter
 */
export function multipartBody(
  rootType: string,
  parts: AsyncIterable<BodyPart> | Iterable<BodyPart>,
): { readonly contentType: string; open(): Promise<Readable> } {
  const boundary = `callosum-${randomUUID()}`;
  return {
    contentType: `multipart/related; type="${rootType}"; boundary=${boundary}`,
    open: async () => {
      const all = inOrder(parts);
      const { value: first } = await all.next();
      const opened = await first?.open();
      const body = async function* (): AsyncGenerator<Uint8Array> {
        if (first && opened) yield* section(boundary, first, opened);
        for await (const part of all) yield* section(boundary, part, await part.open());
        yield Buffer.from(`--${boundary}--\r\n`);
      };
      // A body that is never read does not run at all.
      return Readable.from(body(), { objectMode: false }).once('close', () => opened?.destroy());
    },
  };
}

async function* inOrder(
  parts: AsyncIterable<BodyPart> | Iterable<BodyPart>,
): AsyncGenerator<BodyPart, undefined, undefined> {
  yield* parts;
  return undefined;
}

async function* section(boundary: string, part: BodyPart, content: Readable): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`--${boundary}\r\nContent-Type: ${part.contentType}\r\n\r\n`);
  yield* content as AsyncIterable<Uint8Array>;
  yield Buffer.from('\r\n');
}
