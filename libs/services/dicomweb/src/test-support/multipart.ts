/** A part of a request: its headers, and its bytes. */
export interface SentPart {
  readonly headers?: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array | string;
}

/** A multipart body (RFC 2046 5.1.1). */
export function multipart(boundary: string, parts: readonly SentPart[], end = `--${boundary}--\r\n`): Buffer {
  const pieces = parts.flatMap(({ headers = {}, bytes }) => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return [Buffer.from(`--${boundary}\r\n${lines.join('')}\r\n`), Buffer.from(bytes as string), Buffer.from('\r\n')];
  });
  return Buffer.concat([...pieces, Buffer.from(end)]);
}

/** A body as the network brings it. @param fails what it throws at its end */
export async function* inChunks(bytes: Uint8Array, size: number, fails?: Error): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
  if (fails) throw fails;
}
