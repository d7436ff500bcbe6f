import type { IncomingMessage, ServerResponse } from 'node:http';

/** How long a body is read behind a refusal: closed before, the connection may take the answer with it. */
const lingerMs = 5_000;

/**
 * Whether a body has another transfer coding beside "chunked" (RFC 9112 6.1): nothing here undoes it, and what is read would be taken
 * for the body. Of one whose last coding is not "chunked" nobody knows where it ends: Node refuses it with 400.
 */
export function isCodedForTransfer({ headers }: IncomingMessage): boolean {
  const all = headers['transfer-encoding'] ?? '';
  const codings = all.split(',').flatMap((coding) => coding.trim().toLowerCase() || []);
  return codings.length > 1 && codings.at(-1) === 'chunked';
}

/** Ends the response, whose head and body have been written, when the request has come to its end, or after a while. */
export function endBehind(request: IncomingMessage, response: ServerResponse): void {
  const end = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, lingerMs);
  request.once('close', end).once('end', end).resume();
}
