import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';

export interface BodyPart {
  readonly contentType: string;
  /** Opened when the part before it has been sent. */
  open(): Promise<Readable>;
}

/**
 * A multipart/related body (RFC 2387) as a stream: nothing is read before the client has taken what came before.
 * @param rootType media type of the parts, as the `type` parameter
 */
export function multipartBody(
  rootType: string,
  parts: AsyncIterable<BodyPart> | Iterable<BodyPart>,
): { contentType: string; body: Readable } {
  const boundary = `callosum-${randomUUID()}`;
  const body = async function* (): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      yield Buffer.from(`--${boundary}\r\nContent-Type: ${part.contentType}\r\n\r\n`);
      yield* (await part.open()) as AsyncIterable<Uint8Array>;
      yield Buffer.from('\r\n');
    }
    yield Buffer.from(`--${boundary}--\r\n`);
  };
  return {
    contentType: `multipart/related; type="${rootType}"; boundary=${boundary}`,
    body: Readable.from(body(), { objectMode: false }),
  };
}
