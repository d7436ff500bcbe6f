import { setTimeout as sleep } from 'node:timers/promises';

export interface FhirResource {
  readonly resourceType: string;
  readonly id: string;
  readonly [element: string]: unknown;
}

export async function fhirGet<T = FhirResource>(httpUrl: string, path: string): Promise<T> {
  const response = await fetch(`${httpUrl}/fhir/${path}`, { headers: { accept: 'application/fhir+json' } });
  if (!response.ok) throw new Error(`GET /fhir/${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** Every resource a search finds, following next links. */
export async function fhirSearch(httpUrl: string, query: string): Promise<FhirResource[]> {
  interface Bundle {
    readonly entry?: readonly { readonly resource: FhirResource }[];
    readonly link?: readonly { readonly relation: string; readonly url: string }[];
  }
  const found: FhirResource[] = [];
  let path: string | undefined = query;
  while (path !== undefined) {
    const bundle: Bundle = await fhirGet<Bundle>(httpUrl, path);
    found.push(...(bundle.entry ?? []).map(({ resource }) => resource));
    const next: string | undefined = bundle.link?.find(({ relation }) => relation === 'next')?.url;
    path = next?.replace(/^.*\/fhir\//, '');
  }
  return found;
}

/** The ImagingStudy of a study; undefined when there is none. */
export async function imagingStudyOf(httpUrl: string, studyInstanceUid: string): Promise<FhirResource | undefined> {
  const identifier = encodeURIComponent(`urn:dicom:uid|urn:oid:${studyInstanceUid}`);
  return (await fhirSearch(httpUrl, `ImagingStudy?identifier=${identifier}`))[0];
}

/** Reports that refer to a study. */
export async function reportsOf(httpUrl: string, studyInstanceUid: string): Promise<FhirResource[]> {
  const study = await imagingStudyOf(httpUrl, studyInstanceUid);
  if (!study) return [];
  const reports = await fhirSearch(httpUrl, 'DiagnosticReport?_count=100');
  return reports.filter((report) => JSON.stringify(report['imagingStudy'] ?? '').includes(`ImagingStudy/${study.id}"`));
}

/** Waits until `probe` gives something. @throws with `what` when it does not in time */
export async function eventually<T>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | undefined | false>,
): Promise<T> {
  let cause: unknown;
  for (const deadline = Date.now() + timeoutMs; ; await sleep(250)) {
    const value = await probe().catch((error: unknown) => {
      cause = error;
      return undefined;
    });
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`not in ${timeoutMs / 1000} s: ${what}`, { cause });
  }
}

export const waitForReport = (httpUrl: string, studyInstanceUid: string, timeoutMs = 120_000): Promise<FhirResource> =>
  eventually(
    `a report for ${studyInstanceUid}`,
    timeoutMs,
    async () => (await reportsOf(httpUrl, studyInstanceUid))[0],
  );

/** Every resource of every type the server knows, as it is now. */
export async function everyResource(httpUrl: string): Promise<FhirResource[]> {
  interface Capabilities {
    readonly rest: readonly { readonly resource: readonly { readonly type: string }[] }[];
  }
  const { rest } = await fhirGet<Capabilities>(httpUrl, 'metadata');
  const found: FhirResource[] = [];
  for (const { type } of rest[0]?.resource ?? []) found.push(...(await fhirSearch(httpUrl, `${type}?_count=200`)));
  return found;
}
