import { type inference, worker } from '@callosum/contracts';
import { createChannel, createClient } from 'nice-grpc';

type Frame = NonNullable<worker.WorkerMessage['message']>;
type Client = ReturnType<typeof connect>['client'];

interface Attempt {
  readonly client: Client;
  readonly held: worker.HeldJob;
  /** The grid of the job's volume. */
  readonly grid: { readonly columns: number; readonly rows: number; readonly slices: number };
}

/** Thrown by a worker that fails its job for good; the message is what it says. */
export class GiveUp extends Error {}

export interface NonsenseWorker {
  /** What it was told of what it sent: "code: detail" of each refusal. */
  readonly refusals: readonly string[];
  readonly accepted: readonly string[];
  readonly offers: readonly string[];
  close(): void;
}

function connect(target: string) {
  const channel = createChannel(target);
  return { channel, client: createClient(worker.WorkerServiceDefinition, channel) };
}

/** A worker that speaks the protocol well and sends what `result` makes, whatever it is: no SDK stands in its way. */
export function startNonsenseWorker(
  target: string,
  modelId: string,
  result: (attempt: Attempt) => Promise<Parameters<typeof inference.InferenceResult.fromPartial>[0]>,
): NonsenseWorker {
  const { channel, client } = connect(target);
  const said: { refusals: string[]; accepted: string[]; offers: string[] } = { refusals: [], accepted: [], offers: [] };
  const frames = new Frames();
  frames.add({ $case: 'register', value: { manifest: manifest(modelId), workerInstanceId: modelId, heldJobs: [] } });
  const held = new Map<string, worker.HeldJob>();
  const timer = setInterval(() => frames.add({ $case: 'heartbeat', value: { jobs: [...held.values()] } }), 1_000);

  const take = async ({ jobId, fencingToken }: worker.JobOffer): Promise<void> => {
    const job = { jobId, fencingToken };
    held.set(jobId, job);
    frames.add({ $case: 'accept', value: job });
    const attempt = { client, held: job, grid: await readGrid(client, job) };
    const made = await result(attempt).catch((error: unknown) => {
      if (error instanceof GiveUp) return error;
      throw error;
    });
    if (made instanceof GiveUp) {
      const kind = worker.FailureKind.FAILURE_KIND_INPUT_UNUSABLE;
      return frames.add({ $case: 'fail', value: { ...job, kind, detail: made.message } });
    }
    frames.add({ $case: 'complete', value: worker.CompleteJob.fromPartial({ ...job, result: made }) });
  };
  const listen = async (): Promise<void> => {
    for await (const { message } of client.connect(frames)) {
      if (message?.$case === 'offer') {
        said.offers.push(message.value.jobId);
        void take(message.value).catch((error: unknown) => said.refusals.push(`unable: ${String(error)}`));
      }
      if (message?.$case === 'accepted') said.accepted.push(message.value.jobId);
      if (message?.$case === 'refusal') {
        held.delete(message.value.jobId);
        said.refusals.push(`${message.value.code}: ${message.value.detail}`);
      }
    }
  };
  // The stream ends with the channel.
  void listen().catch(() => undefined);
  return {
    ...said,
    close: () => {
      clearInterval(timer);
      channel.close();
    },
  };
}

async function readGrid(client: Client, job: worker.HeldJob): Promise<Attempt['grid']> {
  let grid: Attempt['grid'] | undefined;
  for await (const { part } of client.readVolume(job)) if (part?.$case === 'header') grid = part.value;
  if (!grid) throw new Error('no header');
  return grid;
}

/** Writes a label map in one go. @throws {ClientError} when it is refused */
export async function writeLabelMap(
  { client, held }: Attempt,
  { columns, rows, slices }: Attempt['grid'],
  labels: Uint8Array,
): Promise<string> {
  function* parts() {
    yield { part: { $case: 'header' as const, value: { ...held, columns, rows, slices } } };
    const chunkBytes = 512 * 1024;
    for (let at = 0; at < labels.length; at += chunkBytes) {
      yield { part: { $case: 'data' as const, value: labels.subarray(at, at + chunkBytes) } };
    }
  }
  const stream = { [Symbol.asyncIterator]: () => asyncOf(parts()) };
  return (await client.writeLabelMap(stream)).sha256;
}

function asyncOf<T>(values: Iterator<T>): AsyncIterator<T> {
  return { next: () => Promise.resolve(values.next()) };
}

/** Frames to send, waiting for more until the stream is closed. */
class Frames implements AsyncIterable<worker.WorkerMessage> {
  readonly #waiting: Frame[] = [];
  #wake: () => void = () => undefined;

  add(message: Frame): void {
    this.#waiting.push(message);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<worker.WorkerMessage> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message) yield { message };
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function manifest(modelId: string): worker.Manifest {
  return worker.Manifest.fromPartial({
    model: { modelId, version: '1.0.0', name: modelId, vendor: 'Nonsense', intendedUse: 'Shows that it is refused.' },
    selection: {
      modality: 'CT',
      orientation: worker.Orientation.ORIENTATION_AXIAL,
      preference: worker.Preference.PREFERENCE_THINNEST_SLICES,
    },
    inputForm: worker.InputForm.INPUT_FORM_HU_VOLUME,
    outputs: [worker.OutputForm.OUTPUT_FORM_LABEL_MAP, worker.OutputForm.OUTPUT_FORM_MEASUREMENTS],
    slots: 1,
  });
}
