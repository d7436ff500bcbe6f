/** An alert as it is written here; its runbook is docs/runbooks/<alert>.md. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  /** critical wakes somebody, warning is for the next working hour. */
  readonly severity: 'critical' | 'warning';
  readonly labels?: Readonly<Record<string, string>>;
  readonly summary: string;
  /** What happens and to whom; without anything of a patient, and without free text of errors. */
  readonly description: string;
}

/** Groups series by their site, and by what else is named. */
export const of = (...labels: string[]): string => `by (${['callosum_site', ...labels].join(', ')})`;

/** A counter that grew over a window, or appeared in it, which is no increase to PromQL; the window ended a while `ago`. */
export const grew = (series: string, window: string, ago?: string): string => {
  const end = ago ? ` offset ${ago}` : '';
  const start = ago ? `${minutes(window) + minutes(ago)}m` : window;
  return `increase(${series}[${window}]${end}) > 0 or (${series}${end} unless ${series} offset ${start})`;
};
const minutes = (duration: string): number => Number(duration.replace(/m$/, ''));
