import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface Sent {
  readonly method: string;
  /** Without the bucket. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}
export type Tamper = (sent: Sent, body: Buffer) => Buffer;

/** Writes down what is sent to the server behind it, and may change or swallow it. */
export class Recorder {
  readonly sent: Sent[] = [];
  #server: Server | undefined;
  /** Of requests. */
  tamper: Tamper = (_sent, body) => body;
  tamperAnswer: Tamper = (_sent, body) => body;
  /** True for requests that are never answered. */
  stall: (sent: Sent) => boolean = () => false;
  /** A status to answer with instead of asking. */
  answer: (sent: Sent) => number | undefined = () => undefined;
  /** The code of S3's error that goes with that status. */
  code = 'InternalError';
  /** True for requests that are done, and whose connection breaks before the answer. */
  loseAnswer: (sent: Sent) => boolean = () => false;

  async listen(target: string): Promise<string> {
    const { hostname, port } = new URL(target);
    this.#server = createServer((incoming, outgoing) => {
      void buffer(incoming).then((body) => {
        const sent = { method: incoming.method ?? '', path: incoming.url ?? '', headers: incoming.headers };
        this.sent.push(sent);
        if (this.stall(sent)) return;
        const status = this.answer(sent);
        if (status !== undefined) return outgoing.writeHead(status).end(`<Error><Code>${this.code}</Code></Error>`);
        const forwarded = request({ hostname, port, method: sent.method, path: sent.path, headers: sent.headers });
        forwarded.on('response', (answer) => {
          void buffer(answer).then((bytes) => {
            if (this.loseAnswer(sent)) return outgoing.destroy();
            outgoing.writeHead(answer.statusCode ?? 500, answer.headers).end(this.tamperAnswer(sent, bytes));
          });
        });
        forwarded.on('error', () => outgoing.destroy());
        forwarded.end(this.tamper(sent, body));
      });
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}
