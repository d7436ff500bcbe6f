import { FhirError } from '../../domain/fhir-error.js';
import { limits } from '../../domain/limits.js';

/** Reads a request body whole. @throws {FhirError} 413 as soon as it is too long; the rest is not read */
export async function readBody(stream: AsyncIterable<Buffer | string>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    bytes += buffer.length;
    if (bytes > limits.bodyBytesMax)
      throw new FhirError(413, 'too-long', `a body is limited to ${limits.bodyBytesMax} bytes`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks);
}
