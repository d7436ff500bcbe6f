// Runs in its own thread. It imports packages only, so that Node can also run it as TypeScript in tests.
import { parentPort } from 'node:worker_threads';
import dcmjsCodecs from 'dcmjs-codecs';
import type { CodecJob, CodecReply } from './codec-thread.js';

const { NativeCodecs, Context } = dcmjsCodecs;
const initialized = NativeCodecs.initializeAsync({});

parentPort?.on('message', (job: CodecJob) => {
  void decode(job).then((reply) => {
    parentPort?.postMessage(reply, 'bytes' in reply ? [reply.bytes.buffer as ArrayBuffer] : []);
  });
});

async function decode({ decoder, image, encoded }: CodecJob): Promise<CodecReply> {
  try {
    await initialized;
    const context = new Context({ ...image, width: image.columns, height: image.rows, encodedBuffer: encoded });
    // Samples stay in the stored colour space; converting is the reader's business.
    const decoded = NativeCodecs[decoder](context, decoder === 'decodeJpeg' ? { convertColorspaceToRgb: false } : {});
    const bytes = decoded.getDecodedBuffer();
    if (!bytes) return { error: 'the codec gave no samples' };
    return {
      bytes: new Uint8Array(bytes),
      columns: decoded.getWidth() ?? 0,
      rows: decoded.getHeight() ?? 0,
      planarConfiguration: decoded.getPlanarConfiguration() ?? 0,
      photometricInterpretation: decoded.getPhotometricInterpretation() ?? '',
    };
  } catch (error) {
    return { error: error instanceof Error ? error.message : 'the codec failed' };
  }
}
