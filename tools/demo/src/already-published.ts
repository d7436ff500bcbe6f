import type { Published } from './stages.js';
import type { System } from './system.js';

interface Resource {
  readonly resourceType: string;
  readonly id: string;
  readonly status?: string;
  readonly subject?: { readonly reference?: string };
  readonly result?: readonly { readonly reference?: string }[];
}

const resultModalities = { seg: 'SEG', sr: 'SR' } as const;

/** The published result of a study that was sent before: it makes no new facts, so it is read where it lies. */
export async function alreadyPublished(
  system: System,
  studyInstanceUid: string,
  elapsedMs: number,
): Promise<Published | undefined> {
  const identifier = encodeURIComponent(`urn:dicom:uid|urn:oid:${studyInstanceUid}`);
  const [study] = await search(system, `ImagingStudy?identifier=${identifier}`);
  if (!study) return undefined;
  const patient = study.subject?.reference ?? '';
  const reports = await search(system, `DiagnosticReport?subject=${encodeURIComponent(patient)}`);
  const ofStudy = reports.filter((candidate) => JSON.stringify(candidate).includes(`"ImagingStudy/${study.id}"`));
  // The report of a model that gave no result is no result.
  const report = ofStudy.find(({ status }) => status !== 'cancelled' && status !== 'entered-in-error');
  if (!report) return undefined;
  return {
    studyInstanceUid,
    patient,
    imagingStudy: `ImagingStudy/${study.id}`,
    diagnosticReport: `DiagnosticReport/${report.id}`,
    observations: (report.result ?? []).map(({ reference }) => reference ?? ''),
    seg: await instanceOf(system, studyInstanceUid, resultModalities.seg),
    sr: await instanceOf(system, studyInstanceUid, resultModalities.sr),
    elapsedMs,
  };
}

async function search(system: System, query: string): Promise<Resource[]> {
  const response = await fetch(`${system.fhirUrl}/${query}`, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) return [];
  const bundle = (await response.json()) as { entry?: { resource: Resource }[] };
  return (bundle.entry ?? []).map(({ resource }) => resource);
}

async function instanceOf(system: System, study: string, modality: string): Promise<string | null> {
  const url = `${system.dicomwebUrl}/dicom-web/studies/${study}/instances?Modality=${modality}`;
  const response = await fetch(url, {
    headers: { accept: 'application/dicom+json' },
    signal: AbortSignal.timeout(10_000),
  });
  if (response.status !== 200) return null;
  const [instance] = (await response.json()) as Record<string, { Value?: string[] }>[];
  return instance?.['00080018']?.Value?.[0] ?? null;
}
