import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface OrderServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * A FHIR server that answers every search with all it has of the type: what is asked for is decided by the asker, too.
 * @param asked says the status that a search is refused with, or resources that it gives in place of these, if any
 */
export async function startOrderServer(
  resources: readonly { readonly resourceType: string }[],
  asked: (url: URL) => unknown = () => undefined,
): Promise<OrderServer> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://here');
    const answer = asked(url);
    if (typeof answer === 'number' && answer >= 400) return void response.writeHead(answer).end();
    const type = url.pathname.split('/').at(-1);
    const here = Array.isArray(answer) ? (answer as typeof resources) : resources;
    const entry = here.filter(({ resourceType }) => resourceType === type).map((resource) => ({ resource }));
    response.writeHead(200, { 'content-type': 'application/fhir+json' });
    response.end(JSON.stringify({ resourceType: 'Bundle', type: 'searchset', entry }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/fhir`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
