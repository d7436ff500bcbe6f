import { setTimeout as sleep } from 'node:timers/promises';

import { imaging } from '@callosum/contracts';
import { instanceGeometry, parseFile, toDicomJson } from '@callosum/dicom';
import type { ObjectStore } from '@callosum/object-store';
import { createServer, type Server, ServerError, Status } from 'nice-grpc';

interface Shown {
  readonly seriesInstanceUid: string;
  readonly modality: string;
  readonly bodyPart: string;
  readonly instance: imaging.Instance;
  readonly dicomJson: string;
}

/** study-index as this service meets it: what a test put into the object store, by study. */
export class StudyIndexForTests {
  readonly revisions = new Map<string, number>();
  /** An index under load: each study takes this long. */
  studyDelayMs = 0;
  private readonly studies = new Map<string, Map<string, Shown>>();

  private constructor(
    private readonly server: Server,
    readonly address: string,
  ) {}

  static async start(): Promise<StudyIndexForTests> {
    const server = createServer();
    const late: { index?: StudyIndexForTests } = {};
    const index = (): StudyIndexForTests => {
      if (!late.index) throw new Error('not started');
      return late.index;
    };
    const unasked = () => Promise.reject(new ServerError(Status.UNIMPLEMENTED, 'not asked by this service'));
    server.add(imaging.StudyIndexServiceDefinition, {
      getDemographics: unasked,
      search: unasked,
      streamMetadata: (request: imaging.StreamMetadataRequest) => index().metadata(request),
      readMetadata: unasked,
      locateFrames: unasked,
      awaitIndexed: unasked,
      reindex: unasked,
      getStudy: async ({ studyInstanceUid }: imaging.GetStudyRequest) => {
        await sleep(index().studyDelayMs);
        return { study: index().study(studyInstanceUid ?? '') };
      },
      locateInstances: (request: imaging.LocateInstancesRequest) => index().locate(request),
    } as never);
    late.index = new StudyIndexForTests(server, `127.0.0.1:${await server.listen('127.0.0.1:0')}`);
    return late.index;
  }

  stop(): Promise<void> {
    return this.server.shutdown();
  }

  /** Stores an object and shows it, in place of an earlier one of the same UID. */
  async add(objects: ObjectStore, bytes: Uint8Array, issuedByCallosum = false): Promise<string> {
    const { dataset, transferSyntax } = parseFile(bytes);
    const studyUid = dataset.string('StudyInstanceUID') ?? '';
    const geometry = instanceGeometry(dataset);
    const key = `default/objects/${geometry.sopInstanceUid}-${Math.random()}`;
    const stored = await objects.put(key, once(bytes));
    const study = this.studies.get(studyUid) ?? new Map<string, Shown>();
    this.studies.set(studyUid, study);
    study.set(geometry.sopInstanceUid, {
      seriesInstanceUid: dataset.string('SeriesInstanceUID') ?? '',
      modality: dataset.string('Modality') ?? '',
      bodyPart: dataset.string('BodyPartExamined') ?? '',
      dicomJson: JSON.stringify(toDicomJson(dataset, { omitBulkData: true })),
      instance: imaging.Instance.fromPartial({
        ...geometry,
        imageType: [...geometry.imageType],
        imagePositionPatient: [...geometry.imagePositionPatient],
        imageOrientationPatient: [...geometry.imageOrientationPatient],
        pixelSpacing: [...geometry.pixelSpacing],
        transferSyntaxUid: transferSyntax.uid,
        issuedByCallosum,
        blob: { key, byteCount: BigInt(stored.byteCount), sha256: stored.sha256 },
      }),
    });
    return studyUid;
  }

  /** As the index does with what the archive withholds: these instances are none any more, and their study stays. */
  withhold(studyInstanceUid: string, sopInstanceUids?: readonly string[]): void {
    const study = this.studies.get(studyInstanceUid);
    for (const uid of sopInstanceUids ?? [...(study?.keys() ?? [])]) study?.delete(uid);
  }

  /** Series of a study, in the order they were shown. */
  seriesOf(studyInstanceUid: string): string[] {
    const shown = [...(this.studies.get(studyInstanceUid)?.values() ?? [])];
    return [...new Set(shown.map(({ seriesInstanceUid }) => seriesInstanceUid))];
  }

  /** Other bytes behind an instance, as a disk that lies would give: the index keeps its word about them. */
  async corrupt(
    objects: ObjectStore,
    studyInstanceUid: string,
    sopInstanceUid: string,
    bytes: Uint8Array,
  ): Promise<void> {
    const blob = this.studies.get(studyInstanceUid)?.get(sopInstanceUid)?.instance.blob;
    if (!blob) throw new Error('not shown');
    await objects.delete(blob.key);
    await objects.put(blob.key, once(bytes));
    blob.byteCount = BigInt(bytes.length);
  }

  private study(studyInstanceUid: string): imaging.Study {
    const shown = this.studies.get(studyInstanceUid);
    if (!shown) throw new ServerError(Status.NOT_FOUND, 'study');
    const series = new Map<string, imaging.Series>();
    for (const { seriesInstanceUid, modality, bodyPart, instance } of shown.values()) {
      const one =
        series.get(seriesInstanceUid) ??
        imaging.Series.fromPartial({ seriesInstanceUid, modality, bodyPartExamined: bodyPart });
      one.instances.push(instance);
      series.set(seriesInstanceUid, one);
    }
    const revision = this.revisions.get(studyInstanceUid) ?? 1;
    return imaging.Study.fromPartial({ studyInstanceUid, revision, series: [...series.values()] });
  }

  private async *metadata({ studyInstanceUid, seriesInstanceUid }: imaging.StreamMetadataRequest) {
    await Promise.resolve();
    if (!this.studies.get(studyInstanceUid ?? '')?.size) throw new ServerError(Status.NOT_FOUND, 'study');
    for (const { dicomJson, ...shown } of this.studies.get(studyInstanceUid ?? '')?.values() ?? []) {
      const { sopInstanceUid } = shown.instance;
      if (!seriesInstanceUid || shown.seriesInstanceUid === seriesInstanceUid)
        yield imaging.StreamMetadataResponse.fromPartial({ ...shown, sopInstanceUid, dicomJson });
    }
  }

  private async *locate({ studyInstanceUid, seriesInstanceUid }: imaging.LocateInstancesRequest) {
    await Promise.resolve();
    for (const shown of this.studies.get(studyInstanceUid ?? '')?.values() ?? []) {
      if (shown.seriesInstanceUid === seriesInstanceUid)
        yield imaging.LocateInstancesResponse.fromPartial({ seriesInstanceUid, instance: shown.instance });
    }
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield bytes;
}
