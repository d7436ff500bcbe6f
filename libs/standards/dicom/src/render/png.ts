import { promisify } from 'node:util';
import { crc32, deflate } from 'node:zlib';
import { channelsOf, type Picture } from './picture.js';
import { inTurns, type Steps } from './steps.js';

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const grayscale = 0;
const truecolor = 2;
/** Each byte less the one above it: images change little from row to row. */
const up = 2;

/**
 * A picture as PNG (ISO/IEC 15948), without loss: 8 bits a sample, not interlaced, no colour profile. Deflated in a thread
 * of libuv, two at a time.
 * @param level of zlib, 1 (fast) to 9 (small)
 * @param signal ends the work before it is deflated, with its reason
 */
export async function encodePng(picture: Picture, level = 6, signal?: AbortSignal): Promise<Buffer> {
  const { columns, rows } = picture;
  const head = Buffer.alloc(13);
  head.writeUInt32BE(columns, 0);
  head.writeUInt32BE(rows, 4);
  head[8] = 8;
  head[9] = picture.kind === 'gray8' ? grayscale : truecolor;
  const data = await deflated(await inTurns(filtered(picture), signal), level, signal);
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', data), chunk('IEND', new Uint8Array(0))]);
}

/** libuv has four threads by default, which read files too. */
const atOnceMax = 2;
let running = 0;
const waiting: (() => void)[] = [];

async function deflated(data: Uint8Array, level: number, signal: AbortSignal | undefined): Promise<Buffer> {
  if (running < atOnceMax) running++;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    signal?.throwIfAborted();
    return await promisify(deflate)(data, { level });
  } finally {
    const next = waiting.shift();
    // Who waits longest takes over the turn.
    if (next) next();
    else running--;
  }
}

/** Rows, the filter's type before each (ISO/IEC 15948 9); above the first row all is 0. */
function* filtered({ samples, rows, columns, kind }: Picture): Steps<Uint8Array> {
  const width = columns * channelsOf({ kind });
  const out = new Uint8Array((width + 1) * rows);
  for (let row = 0, at = 0; row < rows; row++) {
    out[at++] = up;
    const from = row * width;
    for (let i = from; i < from + width; i++)
      out[at++] = (samples[i] ?? 0) - (row === 0 ? 0 : (samples[i - width] ?? 0));
    yield;
  }
  return out;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}
