import { createHash } from 'node:crypto';

import { worker } from '@callosum/contracts';
import { type CallContext, createServer, ServerError, type Server, Status } from 'nice-grpc';

type Said = NonNullable<worker.WorkerMessage['message']>;
type Saying = NonNullable<worker.OrchestratorMessage['message']>;
type Case<C extends Said['$case']> = Extract<Said, { $case: C }>['value'];

/** One stream of a worker, as the server sees it. */
export class Stream {
  readonly said: Said[] = [];
  ended = false;
  #out: worker.OrchestratorMessage[] = [];
  #wake: () => void = () => undefined;
  #cut = false;

  say(message: Saying): void {
    this.#out.push({ message });
    this.#wake();
  }

  /** Ends the stream as a replica that goes away does. */
  cut(): void {
    this.#cut = true;
    this.#wake();
  }

  all<C extends Said['$case']>($case: C): Case<C>[] {
    return this.said.filter((frame) => frame.$case === $case).map((frame) => frame.value as Case<C>);
  }

  async *outgoing(): AsyncGenerator<worker.OrchestratorMessage> {
    for (;;) {
      const next = this.#out.shift();
      if (next) yield next;
      else if (this.#cut) throw new ServerError(Status.UNAVAILABLE, 'going away');
      else if (this.ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  end(): void {
    this.ended = true;
    this.#wake();
  }
}

/** A WorkerService over real gRPC whose decisions the test makes. */
export class Orchestrator {
  readonly streams: Stream[] = [];
  readonly traceparents: string[] = [];
  heartbeatMs = 30;
  /** Answers a registration; undefined: says nothing. */
  onRegister: (register: worker.Register) => Saying | undefined = () => this.registered([]);
  onHeartbeat: (heartbeat: worker.Heartbeat) => string[] | undefined = () => [];
  /** Answers a result; undefined: says nothing, as when the answer is lost. */
  onComplete: (complete: worker.CompleteJob) => Saying | undefined = ({ jobId }) => ({
    $case: 'accepted',
    value: { jobId },
  });
  onReadVolume: (request: worker.ReadVolumeRequest) => AsyncIterable<worker.ReadVolumeResponse> = () => {
    throw new ServerError(Status.NOT_FOUND, 'no volume');
  };
  onWriteLabelMap: ((parts: AsyncIterable<worker.WriteLabelMapRequest>) => Promise<string>) | undefined;
  port = 0;
  #server: Server | undefined;

  async start(port = 0): Promise<this> {
    this.#server = createServer();
    this.#server.add(worker.WorkerServiceDefinition, {
      connect: (request) => this.#connect(request),
      readVolume: (request, context) => this.#readVolume(request, context),
      writeLabelMap: async (request, context) => {
        this.traceparents.push(context.metadata.get('traceparent') ?? '');
        return { sha256: await (this.onWriteLabelMap ?? hashOf)(request) };
      },
    });
    this.port = await this.#server.listen(`127.0.0.1:${String(port)}`);
    return this;
  }

  get target(): string {
    return `127.0.0.1:${String(this.port)}`;
  }

  /** The latest stream. */
  get stream(): Stream {
    const stream = this.streams.at(-1);
    if (!stream) throw new Error('no worker has connected');
    return stream;
  }

  registered(resumedJobIds: string[]): Saying {
    const nanos = (this.heartbeatMs % 1000) * 1e6;
    const heartbeatInterval = { seconds: BigInt(Math.floor(this.heartbeatMs / 1000)), nanos };
    const leaseDuration = { seconds: 60n, nanos: 0 };
    return {
      $case: 'registered',
      value: { orchestratorInstanceId: 'replica-1', heartbeatInterval, leaseDuration, resumedJobIds },
    };
  }

  offer(jobId: string, more: Partial<worker.JobOffer> = {}): void {
    this.stream.say({
      $case: 'offer',
      value: {
        jobId,
        fencingToken: 1n,
        attempt: 1,
        deadline: { seconds: 60n, nanos: 0 },
        traceparent: '',
        studyInstanceUid: '1.2.3',
        seriesInstanceUid: '1.2.3.4',
        ...more,
      },
    });
  }

  async kill(): Promise<void> {
    for (const stream of this.streams) stream.end();
    this.#server?.forceShutdown();
    await Promise.resolve();
  }

  async *#connect(request: AsyncIterable<worker.WorkerMessage>): AsyncGenerator<worker.OrchestratorMessage> {
    const stream = new Stream();
    this.streams.push(stream);
    void (async () => {
      try {
        for await (const { message } of request) if (message) this.#hear(stream, message);
      } catch {
        // The worker went away: the test looks at what it said.
      }
      stream.end();
    })();
    yield* stream.outgoing();
  }

  #hear(stream: Stream, message: Said): void {
    stream.said.push(message);
    if (message.$case === 'register') {
      const answer = this.onRegister(message.value);
      if (answer) stream.say(answer);
    }
    if (message.$case === 'complete') {
      const answer = this.onComplete(message.value);
      if (answer) stream.say(answer);
    }
    if (message.$case === 'heartbeat') {
      const lostJobIds = this.onHeartbeat(message.value);
      if (lostJobIds) stream.say({ $case: 'heartbeatAck', value: { lostJobIds } });
    }
  }

  async *#readVolume(
    request: worker.ReadVolumeRequest,
    context: CallContext,
  ): AsyncGenerator<worker.ReadVolumeResponse> {
    this.traceparents.push(context.metadata.get('traceparent') ?? '');
    yield* this.onReadVolume(request);
  }
}

async function hashOf(parts: AsyncIterable<worker.WriteLabelMapRequest>): Promise<string> {
  const hash = createHash('sha256');
  for await (const { part } of parts) if (part?.$case === 'data') hash.update(part.value);
  return hash.digest('hex');
}

/** A volume whose voxels count upwards, in chunks of the given size. */
export function volumeParts(
  header: Partial<worker.VolumeHeader> = {},
  data?: Uint8Array,
  chunkBytes = 64,
): worker.ReadVolumeResponse[] {
  const dimensions = { columns: 4, rows: 3, slices: 2, ...header };
  const voxels = dimensions.columns * dimensions.rows * dimensions.slices;
  const wide = header.voxelType === worker.VoxelType.VOXEL_TYPE_FLOAT32;
  const bytes = data ?? countingBytes(voxels, wide);
  const value: worker.VolumeHeader = {
    voxelType: worker.VoxelType.VOXEL_TYPE_INT16,
    affine: [-0.7, 0, 0, 10, 0, -0.7, 0, 20, 0, 0, 1.5, 30, 0, 0, 0, 1],
    spacingMm: [0.7, 0.7, 1.5],
    frameOfReferenceUid: '1.2.3.9',
    sopInstanceUids: Array.from({ length: dimensions.slices }, (_, slice) => `1.2.3.4.${String(slice + 1)}`),
    irregularities: [],
    byteCount: BigInt(voxels * (wide ? 4 : 2)),
    bodyPartExamined: 'CHEST',
    patientPosition: 'HFS',
    ...dimensions,
    ...header,
  };
  const parts: worker.ReadVolumeResponse[] = [{ part: { $case: 'header', value } }];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    parts.push({ part: { $case: 'data', value: bytes.subarray(at, at + chunkBytes) } });
  }
  return parts;
}

function countingBytes(voxels: number, wide: boolean): Uint8Array {
  const buffer = Buffer.alloc(voxels * (wide ? 4 : 2));
  for (let at = 0; at < voxels; at++) {
    if (wide) buffer.writeFloatLE(at - 1000.5, at * 4);
    else buffer.writeInt16LE(at - 1000, at * 2);
  }
  return buffer;
}
