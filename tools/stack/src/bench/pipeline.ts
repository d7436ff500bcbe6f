import { availableParallelism } from 'node:os';

import { storeFiles } from '@callosum/dimse';
import { KafkaEventLog } from '@callosum/event-log';
import { newId } from '@callosum/kernel';
import { type TinyInstance, tinySeries } from '@callosum/phantom';

import { Cluster } from '../cluster/cluster.js';
import { type Child } from '../cluster/process.js';
import { type Journey, JourneyWatcher } from './hops.js';
import { ProcessorMeter } from './processor-time.js';
import { quantiles, type Quantiles } from './quantiles.js';

export interface PipelineOptions {
  /** Processes of each service. */
  readonly replicas: number;
  readonly studies: number;
  /** Modalities at work: each sends its next study when the report of the last is there. */
  readonly modalities: number;
  readonly dataDir: string;
}

export interface PipelineFigures {
  readonly replicas: number;
  readonly modalities: number;
  readonly studiesPerMinute: number;
  readonly instancesPerStudy: number;
  /** Milliseconds of each hop. */
  readonly hops: Readonly<Record<string, Quantiles>>;
  /** Last instance to report, without the time the model itself takes and the quiet period, in milliseconds. */
  readonly overhead: Quantiles;
  /** Cores each process kept busy on average, and its resident memory at the end in MiB. */
  readonly processes: Readonly<Record<string, { readonly cores: number; readonly residentMiB: number }>>;
  readonly coresOfMachine: number;
}

const slices = 20;
const matrix = 128;
/** As short as a released association makes it: what is measured is the way, not the wait. */
const quietPeriodMs = 1_000;
/** What the model takes: reading its volume, the queue before it and its answer are Callosum's. */
const modelMs = 150;
const warmUpStudies = 5;

/** Studies end to end on Kafka, PostgreSQL and S3, each service in processes of its own. */
export async function measurePipeline(options: PipelineOptions): Promise<PipelineFigures> {
  const { replicas, studies, modalities, dataDir } = options;
  const env = {
    CALLOSUM_QUIET_PERIOD_MS: String(quietPeriodMs),
    CALLOSUM_LOG_LEVEL: 'warn',
    CALLOSUM_MEAN_HU_WORK_MS: String(modelMs),
  };
  const cluster = await Cluster.create({ dataDir, env, replicas });
  const children: Child[] = [];
  const log = new KafkaEventLog({
    brokers: cluster.kafka.brokers,
    clientId: 'bench',
    onError: () => undefined,
  });
  try {
    for (const { name } of cluster.services) {
      for (let replica = 0; replica < replicas; replica++) children.push(cluster.start(name, { replica }));
    }
    await Promise.all(children.map((child, index) => cluster.ready(child, index % replicas)));
    children.push(cluster.startWorker('worker-1', 'tools/stack/dist/chaos/mean-hu-worker.js'));
    const watcher = await JourneyWatcher.open(log);
    const modality = async (count: () => boolean): Promise<void> => {
      while (count()) await sendAndWait(cluster, watcher);
    };
    let warm = warmUpStudies;
    await modality(() => warm-- > 0);
    watcher.journeys.clear();
    const meter = new ProcessorMeter(children);
    const started = Date.now();
    let left = studies;
    await Promise.all(Array.from({ length: modalities }, () => modality(() => left-- > 0)));
    const seconds = (Date.now() - started) / 1000;
    return {
      replicas,
      modalities,
      studiesPerMinute: Math.round((studies / seconds) * 60),
      instancesPerStudy: slices,
      ...hopsOf([...watcher.journeys.values()]),
      processes: meter.usage(seconds),
      coresOfMachine: availableParallelism(),
    };
  } finally {
    await log.close();
    await Promise.all(children.map((child) => child.stop()));
    await cluster.stopServers();
  }
}

async function sendAndWait({ addresses }: Cluster, watcher: JourneyWatcher): Promise<void> {
  const salt = newId();
  const study: TinyInstance[] = tinySeries({
    salt,
    slices,
    overrides: { Rows: matrix, Columns: matrix, PatientID: salt.slice(0, 16), PatientSex: 'F' },
  });
  const outcomes = await storeFiles({
    host: '127.0.0.1',
    port: addresses.dimsePort,
    calledAet: 'CALLOSUM',
    callingAet: 'BENCH',
    files: study.map(({ bytes }) => bytes),
  });
  if (outcomes.some(({ stored }) => !stored)) throw new Error('a study was refused');
  await watcher.published(study[0]?.studyInstanceUid ?? '');
}

function hopsOf(journeys: readonly Journey[]): Pick<PipelineFigures, 'hops' | 'overhead'> {
  const whole = journeys.filter(isWhole);
  const between = (from: keyof Whole, to: keyof Whole): Quantiles =>
    quantiles(whole.map((journey) => journey[to] - journey[from]));
  return {
    hops: {
      'last instance stored → study complete (with the quiet period)': between('stored', 'completed'),
      'first instance stored → linked, while others come': between('begun', 'linked'),
      'study complete → job scheduled': between('completed', 'scheduled'),
      'job scheduled → model answered (150 ms are the model)': between('scheduled', 'answered'),
      'model answered → report published': between('answered', 'published'),
    },
    overhead: quantiles(whole.map(({ stored, published }) => published - stored - modelMs - quietPeriodMs)),
  };
}

type Whole = Required<Journey>;
const isWhole = (journey: Journey): journey is Whole =>
  [
    journey.begun,
    journey.stored,
    journey.completed,
    journey.linked,
    journey.scheduled,
    journey.answered,
    journey.published,
  ].every((at) => at !== undefined);
