import { worker } from '@callosum/contracts';
import { type Channel, createChannel, createClientFactory, Metadata } from 'nice-grpc';

import { until } from './orchestrator.js';

type Inbound = NonNullable<worker.OrchestratorMessage['message']>;
type Outbound = NonNullable<worker.WorkerMessage['message']>;
type ValueOf<C extends Inbound['$case']> = Extract<Inbound, { $case: C }>['value'];

/** A worker frame by frame, as the proto describes it: it heartbeats only when told to. */
export class WorkerForTests {
  readonly received: Inbound[] = [];
  readonly client;
  private readonly frames: Outbound[] = [];
  private readonly channel: Channel;
  private next: () => void = () => undefined;
  private closed = false;
  ended: Promise<unknown>;

  constructor(
    address: string,
    readonly instanceId = `worker-${Math.random()}`,
    /** Credential it shows with every call. */
    token?: string,
  ) {
    this.channel = createChannel(address);
    const shown: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.client = createClientFactory()
      .use((call, options) => call.next(call.request, { ...options, metadata: new Metadata(shown) }))
      .create(worker.WorkerServiceDefinition, this.channel);
    this.ended = this.read();
  }

  send(message: Outbound): void {
    this.frames.push(message);
    this.next();
  }

  register(manifest: worker.Manifest, heldJobs: worker.HeldJob[] = []): void {
    this.send({ $case: 'register', value: { manifest, workerInstanceId: this.instanceId, heldJobs } });
  }

  heartbeat(...jobs: worker.HeldJob[]): void {
    this.send({ $case: 'heartbeat', value: { jobs } });
  }

  /** The next message of this kind, taken out. */
  async take<C extends Inbound['$case']>($case: C): Promise<ValueOf<C>> {
    const found = await until(`${$case} for ${this.instanceId}`, (): Inbound | undefined => {
      const at = this.received.findIndex((message) => message.$case === $case);
      return at < 0 ? undefined : this.received.splice(at, 1)[0];
    });
    return found.value as ValueOf<C>;
  }

  takeOffer(): Promise<worker.JobOffer> {
    return this.take('offer');
  }

  async readVolume(job: worker.HeldJob): Promise<{ header: worker.VolumeHeader; data: Buffer; chunkBytesMax: number }> {
    let header: worker.VolumeHeader | undefined;
    const chunks: Uint8Array[] = [];
    for await (const { part } of this.client.readVolume(job)) {
      if (part?.$case === 'header') header = part.value;
      else if (part) chunks.push(part.value);
    }
    if (!header) throw new Error('no header');
    return { header, data: Buffer.concat(chunks), chunkBytesMax: Math.max(...chunks.map(({ length }) => length)) };
  }

  async writeLabelMap(
    job: worker.HeldJob,
    grid: { columns: number; rows: number; slices: number },
    voxels: Uint8Array,
  ): Promise<string> {
    const { columns, rows, slices } = grid;
    async function* parts() {
      await Promise.resolve();
      yield { part: { $case: 'header' as const, value: { ...job, columns, rows, slices } } };
      for (let at = 0; at < voxels.length; at += 1024 * 1024)
        yield { part: { $case: 'data' as const, value: voxels.subarray(at, at + 1024 * 1024) } };
    }
    return (await this.client.writeLabelMap(parts())).sha256;
  }

  /** Ends the stream in good order: the orchestrator has let go of it once this resolves. */
  async leave(): Promise<void> {
    this.closed = true;
    this.next();
    await this.ended;
    this.channel.close();
  }

  /** Ends the stream, as a worker that crashes or loses its network. */
  close(): void {
    this.closed = true;
    this.next();
    this.channel.close();
  }

  private async read(): Promise<unknown> {
    try {
      for await (const { message } of this.client.connect(this.outgoing())) if (message) this.received.push(message);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  private async *outgoing() {
    while (!this.closed) {
      const message = this.frames.shift();
      if (message) yield { message };
      else await new Promise<void>((resolve) => (this.next = resolve));
    }
  }
}

export const held = ({ jobId, fencingToken }: worker.HeldJob): worker.HeldJob => ({ jobId, fencingToken });

/** A model of axial CT of one body part, so that tests on one service do not meet. */
export function manifest(
  modelId: string,
  bodyPart = 'CHEST',
  changes: Parameters<typeof worker.Manifest.fromPartial>[0] = {},
): worker.Manifest {
  return worker.Manifest.fromPartial({
    model: { modelId, version: '1.0.0', name: 'Test model', vendor: 'Phantoms', intendedUse: 'Tests' },
    selection: {
      modality: 'CT',
      orientation: worker.Orientation.ORIENTATION_AXIAL,
      bodyParts: [bodyPart],
      sliceCountMin: 4,
      preference: worker.Preference.PREFERENCE_THINNEST_SLICES,
    },
    inputForm: worker.InputForm.INPUT_FORM_HU_VOLUME,
    outputs: [
      worker.OutputForm.OUTPUT_FORM_LABEL_MAP,
      worker.OutputForm.OUTPUT_FORM_MEASUREMENTS,
      worker.OutputForm.OUTPUT_FORM_FINDINGS,
    ],
    slots: 1,
    ...changes,
  });
}
