import { ExplicitVRLittleEndian, ImplicitVRLittleEndian, transferSyntaxOf } from '@callosum/dicom';
import type { ProposedContext } from '@callosum/dimse';

/** What decides on the presentation context of an object. */
export interface ObjectKind {
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
}

/** What goes over one association. */
export interface AssociationLoad<T extends ObjectKind> {
  readonly contexts: readonly ProposedContext[];
  readonly objects: readonly T[];
}

/** PS3.8 section 9.3.2.2: ids are odd and of one byte. */
const contextsMax = 128;
/** What every object can be given in but video; the peer takes the one it likes. */
const fallbacks = [ExplicitVRLittleEndian, ImplicitVRLittleEndian];

/**
 * What to propose for these objects, of each SOP class: a context for each transfer syntax they are stored in, for an
 * acceptor chooses one in each, and one more for those it does not take (PS3.5 section 10.1 wants Implicit VR proposed).
 * More than fit one association go over several, all objects of a SOP class over the same.
 */
export function associationLoads<T extends ObjectKind>(objects: readonly T[]): AssociationLoad<T>[] {
  const stored = new Map<string, Set<string>>();
  for (const { sopClassUid, transferSyntaxUid } of objects) {
    const syntaxes = stored.get(sopClassUid) ?? new Set();
    stored.set(sopClassUid, syntaxes.add(transferSyntaxUid));
  }
  const loads: { contexts: ProposedContext[]; classes: Set<string> }[] = [];
  for (const [sopClassUid, syntaxes] of stored) {
    const contexts = contextsFor(sopClassUid, [...syntaxes]);
    const last = loads.at(-1);
    if (last && last.contexts.length + contexts.length <= contextsMax) {
      last.contexts.push(...contexts);
      last.classes.add(sopClassUid);
    } else loads.push({ contexts, classes: new Set([sopClassUid]) });
  }
  return loads.map(({ contexts, classes }) => ({
    contexts,
    objects: loads.length === 1 ? objects : objects.filter(({ sopClassUid }) => classes.has(sopClassUid)),
  }));
}

function contextsFor(abstractSyntaxUid: string, stored: readonly string[]): ProposedContext[] {
  const contexts = stored.map((uid) => ({ abstractSyntaxUid, transferSyntaxUids: [uid] }));
  const others = fallbacks.filter((uid) => !stored.includes(uid));
  const isDecodable = stored.some((uid) => !transferSyntaxOf(uid).video);
  if (others.length > 0 && isDecodable) contexts.push({ abstractSyntaxUid, transferSyntaxUids: others });
  return contexts;
}
