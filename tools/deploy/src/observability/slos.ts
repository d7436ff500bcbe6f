/** A promise to people, as a share of good answers over {@link sloDays} days; docs/guides/sre.md says why these numbers. */
export interface Slo {
  /** Stands in rule names and, with a capital, in the alert's. */
  readonly name: string;
  readonly alert: string;
  readonly title: string;
  /** Share of good answers that is promised, 0 to 1. */
  readonly objective: number;
  /** Answers in the long window below which a ratio says nothing. */
  readonly answersMin: number;
  /** Rates of bad and of all answers over a window, by site. */
  readonly bad: (window: string) => string;
  readonly all: (window: string) => string;
  readonly summary: string;
  readonly description: string;
}

export const sloDays = 30;
/** A study may take this long from its first instance to its ImagingStudy: a bound of the histogram's buckets, in seconds. */
const endToEndSeconds = 600;

const rate = (series: string) => (window: string) => `sum by (callosum_site) (rate(${series}[${window}]))`;
const endToEnd = 'callosum_study_end_to_end_duration';

export const slos: readonly Slo[] = [
  {
    name: 'stores',
    alert: 'CallosumStoresBudgetBurn',
    title: 'Stores answered',
    objective: 0.999,
    answersMin: 100,
    // What the sender did wrong (A900, C000, 0122, 0117) is no failure of ours.
    bad: rate('callosum_dimse_instances_total{dicom_status=~"A7..|0110"}'),
    all: rate('callosum_dimse_instances_total'),
    summary: 'modalities get failures for what they send',
    description:
      'C-STORE is answered with A700 or 0110 so often that the error budget of 30 days does not last. Senders keep their copies and try again.',
  },
  {
    name: 'http',
    alert: 'CallosumHttpBudgetBurn',
    // The names are OpenTelemetry's: others in the same Prometheus have them too, and no callosum.service.
    title: 'HTTP answered',
    objective: 0.999,
    answersMin: 100,
    bad: rate('http_server_request_duration_count{callosum_service!="",http_response_status_code=~"5.."}'),
    all: rate('http_server_request_duration_count{callosum_service!=""}'),
    summary: 'HTTP requests fail',
    description: 'DICOMweb, FHIR or the API answer 5xx so often that the error budget of 30 days does not last.',
  },
  {
    name: 'grpc',
    alert: 'CallosumGrpcBudgetBurn',
    title: 'gRPC answered',
    objective: 0.999,
    answersMin: 100,
    bad: rate(
      'rpc_server_call_duration_count{callosum_service!="",rpc_response_status_code=~"UNAVAILABLE|INTERNAL|UNKNOWN|DATA_LOSS|DEADLINE_EXCEEDED"}',
    ),
    all: rate('rpc_server_call_duration_count{callosum_service!=""}'),
    summary: 'gRPC calls fail',
    description:
      'Calls between services or of workers fail for reasons on this side so often that the error budget of 30 days does not last.',
  },
  {
    name: 'publish',
    alert: 'CallosumPublishBudgetBurn',
    title: 'Publishes that succeed',
    objective: 0.99,
    answersMin: 20,
    bad: rate('callosum_publish_duration_count{callosum_outcome!="ok"}'),
    all: rate('callosum_publish_duration_count'),
    summary: 'writes to the archive or the record fail',
    description:
      'Writes of results to a sink fail so often that the error budget of 30 days does not last. They are tried again; until then the record lacks them.',
  },
  {
    name: 'end_to_end',
    alert: 'CallosumEndToEndBudgetBurn',
    title: 'Studies in the record in time',
    objective: 0.95,
    answersMin: 10,
    bad: (window) =>
      `(${rate(`${endToEnd}_count{callosum_publication="imaging-study"}`)(window)} - ${rate(`${endToEnd}_bucket{callosum_publication="imaging-study",le="${endToEndSeconds}"}`)(window)})`,
    all: rate(`${endToEnd}_count{callosum_publication="imaging-study"}`),
    summary: 'studies reach the record late',
    description: `More studies than promised take over ${endToEndSeconds / 60} minutes from their first instance to their ImagingStudy.`,
  },
];

interface Burn {
  readonly long: string;
  readonly short: string;
  /** How many times faster than the objective allows. */
  readonly factor: number;
  readonly for: string;
  readonly severity: 'critical' | 'warning';
  readonly says: string;
}

/** Share of the 30 days' budget that is gone when each one fires: 2 % in an hour, 5 % in six hours, 10 % in three days. */
export const burns: readonly Burn[] = [
  { long: '1h', short: '5m', factor: 14.4, for: '2m', severity: 'critical', says: 'in two days' },
  { long: '6h', short: '30m', factor: 6, for: '15m', severity: 'critical', says: 'in five days' },
  { long: '3d', short: '6h', factor: 1, for: '1h', severity: 'warning', says: 'before the month is over' },
];

export const ratioName = ({ name }: Slo, window: string): string => `callosum:${name}_errors:ratio_rate${window}`;
export const sloWindows: readonly string[] = [...new Set(burns.flatMap(({ long, short }) => [short, long]))];

/** Recording rules: the share of bad answers, by window. No bad one is 0, no answer at all is no sample. */
export const sloRecordings = (of: readonly Slo[] = slos) =>
  of.flatMap((slo) =>
    sloWindows.map((window) => ({
      record: ratioName(slo, window),
      expr: `(${slo.bad(window)} or 0 * ${slo.all(window)}) / (${slo.all(window)} > 0)`,
    })),
  );

/** One alert per promise and pair of windows: the long one says that it matters, the short one that it still goes on. */
export const burnAlerts = (of: readonly Slo[] = slos) =>
  of.flatMap((slo) =>
    burns.map(({ long, short, factor, severity, says, for: pending }) => {
      const limit = `${factor} * ${Number((1 - slo.objective).toFixed(6))}`;
      const enough = `${slo.all(long)} * ${secondsOf(long)} >= ${slo.answersMin}`;
      return {
        alert: slo.alert,
        expr: `${ratioName(slo, long)} > ${limit} and ${ratioName(slo, short)} > ${limit} and ${enough}`,
        for: pending,
        severity,
        labels: { window: long },
        summary: `${slo.summary}: the error budget is gone ${says} ({{ $value | humanizePercentage }} of answers over ${long})`,
        description: slo.description,
      };
    }),
  );

const secondsOf = (window: string): number =>
  Number.parseInt(window, 10) * ({ m: 60, h: 3600, d: 86_400 }[window.at(-1) ?? ''] ?? Number.NaN);
