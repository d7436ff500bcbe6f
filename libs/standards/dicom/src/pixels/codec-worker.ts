// Runs in its own thread. It imports packages only, so that Node can also run it as TypeScript in tests.
import { parentPort } from 'node:worker_threads';
import dcmjsCodecs from 'dcmjs-codecs';
import type { CodecJob, CodecReply, DecodeJob, EncodeJob } from './codec-pool.js';

const { NativeCodecs, Context } = dcmjsCodecs;
const initialized = NativeCodecs.initializeAsync({});

parentPort?.on('message', (job: CodecJob) => {
  void run(job).then((reply) => {
    parentPort?.postMessage(reply, 'bytes' in reply ? [reply.bytes.buffer as ArrayBuffer] : []);
  });
});

async function run(job: CodecJob): Promise<CodecReply> {
  try {
    await initialized;
    return job.kind === 'decode' ? decode(job) : encode(job);
  } catch (error) {
    return { error: error instanceof Error ? error.message : 'the codec failed' };
  }
}

function decode({ decoder, image, encoded }: Omit<DecodeJob, 'kind'>): CodecReply {
  const context = new Context({ ...image, width: image.columns, height: image.rows, encodedBuffer: encoded });
  // Samples stay in the stored colour space; converting is the reader's business.
  const decoded = NativeCodecs[decoder](context, decoder === 'decodeJpeg' ? { convertColorspaceToRgb: false } : {});
  const bytes = decoded.getDecodedBuffer();
  if (!bytes) return { error: 'the codec gave no samples' };
  return { bytes: new Uint8Array(bytes), columns: decoded.getWidth() ?? 0, rows: decoded.getHeight() ?? 0 };
}

/** Encodes, decodes again and compares: what leaves here is lossless, whatever the encoder made of the samples. */
function encode({ encoder, decoder, image, samples }: EncodeJob): CodecReply {
  const bits = precisionOf(encoder, image, samples);
  const context = new Context({
    ...image,
    width: image.columns,
    height: image.rows,
    // The JPEG-LS encoder takes the precision from here, and the bytes of a sample with it.
    bitsAllocated: encoder === 'encodeJpegLs' ? bits : image.bitsAllocated,
    bitsStored: bits,
    decodedBuffer: samples,
  });
  const encoded = NativeCodecs[encoder](context, { lossy: false }).getEncodedBuffer();
  if (!encoded) return { error: 'the codec gave no code stream' };
  const bytes = new Uint8Array(encoded);
  const again = decode({ decoder, image, encoded: bytes });
  if ('error' in again) return again;
  return { bytes, columns: again.columns, rows: again.rows, isExact: Buffer.compare(again.bytes, samples) === 0 };
}

/**
 * Bits of a sample in the code stream: Bits Stored, or all of Bits Allocated where a sample uses more (overlays in the
 * high bits, signed samples in JPEG and JPEG-LS, which know no sign). Two bytes a sample need nine bits at least: the
 * codecs take fewer as one byte.
 */
function precisionOf(
  encoder: EncodeJob['encoder'],
  { bitsAllocated, bitsStored, pixelRepresentation }: EncodeJob['image'],
  samples: Uint8Array,
): number {
  const least = bitsAllocated === 16 ? 9 : 2;
  if (bitsStored >= bitsAllocated) return bitsAllocated;
  const bits = Math.max(least, bitsStored);
  const isSigned = pixelRepresentation === 1 && encoder === 'encodeJpeg2000';
  const buffer = samples.buffer as ArrayBuffer;
  const words =
    bitsAllocated === 8
      ? new (isSigned ? Int8Array : Uint8Array)(buffer)
      : new (isSigned ? Int16Array : Uint16Array)(buffer);
  const [min, max] = isSigned ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  return words.every((sample) => sample >= min && sample <= max) ? bits : bitsAllocated;
}
