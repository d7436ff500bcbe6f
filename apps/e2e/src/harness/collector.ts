import { createServer, type Server } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';

import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  /** '' for the first of its trace. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly service: string;
  readonly links: readonly string[];
  readonly attributes: Readonly<Record<string, string>>;
  /** Every text in it: names, attributes, events, status. */
  readonly texts: readonly string[];
}

/** An OTLP/HTTP collector on 127.0.0.1 that keeps the spans it is sent. */
export interface Collector {
  readonly endpoint: string;
  readonly spans: readonly Span[];
  /** Every body that was sent, whatever is in it, byte by byte as Latin-1. */
  readonly bodies: readonly string[];
  close(): Promise<void>;
}

export async function startCollector(): Promise<Collector> {
  const spans: Span[] = [];
  const bodies: string[] = [];
  const server: Server = createServer((request, response) => {
    void buffer(request).then((body) => {
      const message = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
      bodies.push(message.toString('latin1'));
      if (request.url === '/v1/traces') spans.push(...readRequest(message));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    spans,
    bodies,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** One field of a message: bytes of a length-delimited one, otherwise its number as text. */
interface Field {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly text: string;
}

function fieldsOf(message: Uint8Array): Field[] {
  const reader = new BinaryReader(message);
  const fields: Field[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    switch (wireType) {
      case WireType.LengthDelimited: {
        const bytes = reader.bytes();
        fields.push({ number, bytes, text: Buffer.from(bytes).toString('utf8') });
        break;
      }
      case WireType.Varint:
        fields.push({ number, bytes: new Uint8Array(), text: String(reader.int64()) });
        break;
      case WireType.Bit64:
        fields.push({ number, bytes: new Uint8Array(), text: String(reader.fixed64()) });
        break;
      default:
        reader.skip(wireType);
    }
  }
  return fields;
}

const all = (message: Uint8Array, number: number): Uint8Array[] =>
  fieldsOf(message)
    .filter((field) => field.number === number)
    .map(({ bytes }) => bytes);
const first = (message: Uint8Array, number: number): Uint8Array => all(message, number)[0] ?? new Uint8Array();
const textOf = (message: Uint8Array, number: number): string => Buffer.from(first(message, number)).toString('utf8');
const hexOf = (message: Uint8Array, number: number): string => Buffer.from(first(message, number)).toString('hex');

/** opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest */
function readRequest(request: Uint8Array): Span[] {
  return all(request, 1).flatMap((resourceSpans) => {
    const service = attributesOf(first(resourceSpans, 1), 1)['service.name'] ?? '';
    return all(resourceSpans, 2).flatMap((scopeSpans) => all(scopeSpans, 2).map((span) => readSpan(span, service)));
  });
}

function readSpan(span: Uint8Array, service: string): Span {
  const attributes = attributesOf(span, 9);
  const events = all(span, 11).flatMap((event) => [textOf(event, 2), ...Object.values(attributesOf(event, 3))]);
  const name = textOf(span, 5);
  return {
    traceId: hexOf(span, 1),
    spanId: hexOf(span, 2),
    parentSpanId: hexOf(span, 4),
    name,
    service,
    links: all(span, 13).map((link) => hexOf(link, 2)),
    attributes,
    texts: [name, ...Object.values(attributes), ...events, textOf(first(span, 15), 2)],
  };
}

/** KeyValue list; an AnyValue's text, or its fields' texts when it is an array. */
function attributesOf(message: Uint8Array, number: number): Record<string, string> {
  return Object.fromEntries(
    all(message, number).map((entry) => [
      textOf(entry, 1),
      fieldsOf(first(entry, 2))
        .map(({ text }) => text)
        .join(' '),
    ]),
  );
}
