import { isOfModality } from './modality-classes.js';

/** What a rule sends on: of what came from others, never what Callosum made. */
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

/**
 * Where the rules send an instance: each destination once, and never back to whom it came from. What Callosum issued goes
 * nowhere by a rule: results leave by result-publisher alone, under a publish lease (rule 3 of the design).
 */
export function targetsOf(rules: readonly ForwardingRule[], instance: ForwardableInstance): ForwardTarget[] {
  if (instance.issuedByCallosum) return [];
  const targets = new Map<string, boolean>();
  for (const rule of rules) {
    const { destination, transcode } = rule;
    if (isSource(destination, instance.source) || !applies(rule, instance)) continue;
    targets.set(destination, transcode || targets.get(destination) === true);
  }
  return [...targets].map(([destination, transcode]) => ({ destination, transcode }));
}

function applies(rule: ForwardingRule, instance: ForwardableInstance): boolean {
  const { source, sopClassUid, storedAt } = instance;
  if (rule.since && storedAt && storedAt.getTime() < rule.since.getTime() - clocksMs) return false;
  if (!rule.sources.some((pattern) => matchesPattern(pattern, source))) return false;
  if (excepts(rule, source)) return false;
  return (
    rule.sopClasses.length === 0 || rule.sopClasses.some((one) => one === sopClassUid || isOfModality(sopClassUid, one))
  );
}

/** What came from a source does not go to it, nor where a rule excepts it. */
export const staysAway = (rules: readonly ForwardingRule[], destination: string, source: string): boolean =>
  isSource(destination, source) || rules.some((rule) => rule.destination === destination && excepts(rule, source));

const excepts = ({ exceptSources }: ForwardingRule, source: string): boolean =>
  exceptSources.some((pattern) => matchesPattern(pattern, source));

/** An HTTP sender may have been given the AE title of the same machine as its name. */
const isSource = (destination: string, source: string): boolean =>
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
