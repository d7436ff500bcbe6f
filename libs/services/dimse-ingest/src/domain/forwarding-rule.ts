import { isOfModality } from './modality-classes.js';

/** What a rule sends on. */
export interface ForwardingRule {
  readonly id: string;
  /** AE titles and names of HTTP senders; `*` stands for any characters. */
  readonly sources: readonly string[];
  /** Senders whose instances stay here: a PACS that sends under another title than the one it receives under. */
  readonly exceptSources: readonly string[];
  /** SOP Class UIDs and modality classes; empty: all. */
  readonly sopClasses: readonly string[];
  /** AE title. */
  readonly destination: string;
  /** What came from others, what Callosum made, or both. */
  readonly include: 'received' | 'results' | 'both';
  /** Whether it may be sent in another lossless transfer syntax where the destination does not take it as it is kept. */
  readonly transcode: boolean;
  /** What was stored before stays here; absent of a rule of the settings. */
  readonly since?: Date;
}

/** An instance that is current in the archive, as the fact of its storing tells it. */
export interface ForwardableInstance {
  readonly studyInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
  readonly revision: number;
  /** Calling AE title, or the name of the HTTP source ("http:…", "principal:…"). */
  readonly source: string;
  /** Callosum issued its UID, whoever sent it now (rule 4 of the design). */
  readonly issuedByCallosum: boolean;
  readonly storedAt?: Date;
}

/** Whoever stores and whoever makes rules may have different clocks. */
const clocksMs = 60_000;

export interface ForwardTarget {
  readonly destination: string;
  readonly transcode: boolean;
}

/** Where the rules send an instance: each destination once, and never back to whom it came from. */
export function targetsOf(rules: readonly ForwardingRule[], instance: ForwardableInstance): ForwardTarget[] {
  const targets = new Map<string, boolean>();
  for (const rule of rules) {
    const { destination, transcode } = rule;
    if (isSource(destination, instance) || !applies(rule, instance)) continue;
    targets.set(destination, transcode || targets.get(destination) === true);
  }
  return [...targets].map(([destination, transcode]) => ({ destination, transcode }));
}

function applies(rule: ForwardingRule, instance: ForwardableInstance): boolean {
  const { source, sopClassUid, issuedByCallosum, storedAt } = instance;
  if (rule.since && storedAt && storedAt.getTime() < rule.since.getTime() - clocksMs) return false;
  if (rule.include !== 'both' && (rule.include === 'results') !== issuedByCallosum) return false;
  if (!rule.sources.some((pattern) => matchesPattern(pattern, source))) return false;
  if (rule.exceptSources.some((pattern) => matchesPattern(pattern, source))) return false;
  return (
    rule.sopClasses.length === 0 || rule.sopClasses.some((one) => one === sopClassUid || isOfModality(sopClassUid, one))
  );
}

/** An HTTP sender may have been given the AE title of the same machine as its name. */
const isSource = (destination: string, { source }: ForwardableInstance): boolean =>
  source === destination || source === `http:${destination}`;

/** Upper and lower case differ (PS3.5 section 6.2). Linear in both: a pattern comes from outside. */
export function matchesPattern(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === text;
  const last = rest.pop() ?? '';
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > text.length - last.length) return false;
    at = found + part.length;
  }
  return true;
}
