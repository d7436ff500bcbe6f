import type { NoteDecision } from '@callosum/archive';

import type { NoteRevision, Standing } from '../application/obey-note.js';

/** Clocks of replicas differ, and transfers overlap. */
const clockToleranceMs = 60_000;

/** A revision that a decision of its note was recorded for. */
interface Obeyed {
  readonly cause: string;
  readonly instanceRevision: number;
  /** Undefined where a version before this one decided, which named revisions by their numbers alone. */
  readonly storedAt: number | undefined;
  readonly recordedAt: number;
}

/**
 * What the decision for a revision is recorded as. Each is obeyed once: that is the object, which came once, and not its
 * number, which a restored database gives again.
 */
export function causeOf(revision: NoteRevision, decisions: readonly NoteDecision[]): string {
  const { sopInstanceUid: note, instanceRevision, storedAt } = revision;
  const known = decisions.map(obeyed).findLast((one) => isOf(revision, one));
  return known?.cause ?? [note, instanceRevision, storedAt.getTime()].join('/');
}

/**
 * Facts may be delivered again, and in another order: after another one was obeyed a revision has nothing to say again. One
 * that was never obeyed has nothing to say beside a later one.
 */
export function standingOf(revision: NoteRevision, decisions: readonly NoteDecision[]): Standing {
  const all = decisions.map(obeyed);
  const own = all.findLastIndex((one) => isOf(revision, one));
  const isOvertaken = own < 0 ? all.some((one) => isLater(one, revision)) : own < all.length - 1;
  if (isOvertaken) return 'overtaken';
  return revision.instanceRevision > 1 || own > 0 || (own < 0 && all.length > 0) ? 'further' : 'first';
}

function obeyed({ cause, recordedAt }: NoteDecision): Obeyed {
  const [, number = '1', storedAt] = cause.split('/');
  return {
    cause,
    instanceRevision: Number(number),
    storedAt: storedAt === undefined ? undefined : Number(storedAt),
    recordedAt: recordedAt.getTime(),
  };
}

/** Also under another number, which a recovery gave it. */
function isOf({ instanceRevision, storedAt: cameAt }: NoteRevision, one: Obeyed): boolean {
  if (one.storedAt !== undefined) return one.storedAt === cameAt.getTime();
  return one.instanceRevision === instanceRevision && !isAfter(cameAt, one.recordedAt);
}

/** As the numbers say, but where the times say that they were given by a database that did not know of each other's. */
function isLater(one: Obeyed, { instanceRevision, storedAt: cameAt }: NoteRevision): boolean {
  if (one.instanceRevision === instanceRevision) return one.storedAt !== undefined && one.storedAt > cameAt.getTime();
  return one.instanceRevision > instanceRevision && !isAfter(cameAt, one.storedAt ?? one.recordedAt);
}

const isAfter = (cameAt: Date, other: number): boolean => cameAt.getTime() > other + clockToleranceMs;
