import { FhirError } from '../../domain/fhir-error.js';
import { limits } from '../../domain/limits.js';

/** What the bodies of all requests hold together, from their first byte to the answer. */
export class HeldBodies {
  #bytes = 0;

  constructor(private readonly bytesMax: number = limits.bodyBytesHeldMax) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** One request's share. */
  share(): BodyShare {
    let own = 0;
    return {
      take: (byteCount) => {
        if (this.#bytes + byteCount > this.bytesMax)
          throw new FhirError(503, 'throttled', 'too many large bodies at once; try again later');
        own += byteCount;
        this.#bytes += byteCount;
      },
      release: () => {
        this.#bytes -= own;
        own = 0;
      },
    };
  }
}

export interface BodyShare {
  /** @throws {FhirError} 503 when all requests together would hold too much */
  take(byteCount: number): void;
  release(): void;
}

/**
 * Reads a request body whole; its share is the caller's to release once nothing holds it any more.
 * @throws {FhirError} 413 as soon as it is too long, 503 when others hold too much; the rest is not read
 */
export async function readBody(stream: AsyncIterable<Buffer | string>, share: BodyShare): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    bytes += buffer.length;
    if (bytes > limits.bodyBytesMax)
      throw new FhirError(413, 'too-long', `a body is limited to ${limits.bodyBytesMax} bytes`);
    share.take(buffer.length);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks);
}
