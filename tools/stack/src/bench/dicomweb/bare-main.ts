import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What this process tells the one that forked it. */
export interface BareWord {
  readonly port: number;
}

/** A process that gives one file to whoever asks for anything, as the headers of its second argument say. */
const [file = '', headers = '{}'] = process.argv.slice(2);
const head = {
  ...(JSON.parse(headers) as Readonly<Record<string, string>>),
  'content-length': String(statSync(file).size),
};
/** As large as the reads of the archive. */
const highWaterMark = 256 * 1024;
const server = createServer((_request, response) => {
  response.writeHead(200, head);
  createReadStream(file, { highWaterMark }).pipe(response);
});
server.listen({ port: 0, host: '127.0.0.1' }, () => {
  const word: BareWord = { port: (server.address() as AddressInfo).port };
  process.send?.(word);
});
process.on('disconnect', () => process.exit());
