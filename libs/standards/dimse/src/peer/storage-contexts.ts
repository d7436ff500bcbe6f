import type { ProposedContext } from '../scu/scu-options.js';
import { contextsMax } from '../upper-layer/associate.js';

const arc = '1.2.840.10008.5.1.4.1.1.';

/**
 * Storage SOP classes by the part of their UID after the storage arc (PS3.6 table A-1): images, those used most
 * first, then what goes with them. What a C-GET asks for where nobody said which classes the study has.
 */
const common: readonly string[] = [
  ...['1', '1.1', '1.1.1', '1.2', '1.2.1', '1.3', '1.3.1'], // CR, DX, MG, IO
  ...['2', '2.1', '2.2', '4', '4.1', '4.2', '4.3', '4.4'], // CT, MR
  ...['3.1', '6.1', '6.2', '7', '7.1', '7.2', '7.3', '7.4'], // US, SC
  ...['77.1.1', '77.1.1.1', '77.1.2', '77.1.2.1', '77.1.4', '77.1.4.1', '77.1.3', '77.1.6', '77.1.7'], // VL, WSM
  ...['12.1', '12.1.1', '12.2', '12.2.1', '13.1.1', '13.1.2', '13.1.3', '13.1.4', '13.1.5'], // XA, RF, 3D
  ...['20', '30', '128', '128.1', '130', '131'], // NM, PET
  ...['14.1', '14.2', '68.1', '68.2'], // IVOCT, surface scans
  ...['77.1.5.1', '77.1.5.2', '77.1.5.3', '77.1.5.4', '77.1.5.5', '77.1.5.6', '77.1.5.7', '77.1.5.8'], // OP
  ...['78.1', '78.2', '78.3', '78.4', '78.5', '78.6', '78.7', '78.8', '79.1', '80.1', '81.1', '82.1'],
  ...['9.1.1', '9.1.2', '9.1.3', '9.2.1', '9.3.1', '9.4.1', '9.4.2', '9.5.1', '9.6.1', '9.6.2'], // waveforms
  ...['11.1', '11.2', '11.3', '11.4', '11.5', '11.6', '11.8', '11.11'], // presentation states
  ...['66', '66.1', '66.2', '66.3', '66.4', '66.5', '66.6', '67', '90.1'], // raw data, registration, SEG
  ...['88.11', '88.22', '88.33', '88.34', '88.35', '88.40', '88.50', '88.59', '88.65', '88.67', '88.68', '88.71'],
  ...['104.1', '104.2', '104.3'], // encapsulated PDF, CDA, STL
  ...['481.1', '481.2', '481.3', '481.4', '481.5', '481.6', '481.7', '481.8', '481.9'], // RT
];

/** Of the common ones, those that are left to a second attempt: eye measurements, surface scans, IVOCT. */
const rare = new Set(
  ['14.1', '14.2', '68.1', '68.2', '77.1.5.5', '77.1.5.6', '77.1.5.7', '77.1.5.8', '79.1', '80.1', '81.1', '82.1']
    .concat(['78.1', '78.2', '78.3', '78.4', '78.5', '78.6', '78.7', '78.8', '9.4.2', '9.5.1', '9.6.1', '9.6.2'])
    .map((suffix) => `${arc}${suffix}`),
);

const pixels = '1.2.840.10008.1.2.4.';
/** Explicit VR Little Endian and what stands for it: nobody keeps objects so that cannot give them uncompressed. */
const explicit: readonly string[] = ['1.2.840.10008.1.2.1', '1.2.840.10008.1.2.1.99', '1.2.840.10008.1.2.2'];
const implicit = '1.2.840.10008.1.2';
/** Those used most first: lossless, then what is lossy already. */
const compressed: readonly string[] = [
  ...[`${pixels}70`, `${pixels}90`, `${pixels}50`, `${pixels}80`, '1.2.840.10008.1.2.5', `${pixels}91`, `${pixels}51`],
  ...[`${pixels}57`, `${pixels}201`, `${pixels}81`, `${pixels}203`, `${pixels}202`], // JPEG lossless, HTJ2K, JPEG-LS
  ...[`${pixels}110`, `${pixels}111`, `${pixels}112`, `${pixels}92`, `${pixels}93`], // JPEG XL, JPEG 2000 part 2
];
/** H.264, MPEG-2, HEVC. */
const video = ['102', '100', '101', '103', '104', '105', '106', '107', '108'].map((suffix) => `${pixels}${suffix}`);
const everything = [...explicit, implicit, ...compressed, ...video];

const videoClasses = new Set(['77.1.1.1', '77.1.2.1', '77.1.4.1'].map((suffix) => `${arc}${suffix}`));
/** Waveforms, presentation states, registrations, SR, documents, plans: nothing there can be compressed. */
const withoutPixels = new RegExp(
  `^${arc.replaceAll('.', '\\.')}(9\\.|11\\.|66$|66\\.[12356]$|67$|68\\.|78\\.|79\\.1$|80\\.1$|88\\.|90\\.1$|104\\.|131$|481\\.[3-9]$)`,
);

export interface StorageContextsOptions {
  /** Those of what is asked for, where they are known; else the private and the common ones are proposed. */
  readonly sopClassUids?: readonly string[];
  /** Private classes that are stored here, too. */
  readonly privateSopClassUids?: readonly string[];
  /**
   * Where the classes are not known: `depth` leaves out rare ones, so that those used most get two contexts, one of them for
   * what is compressed; `breadth` has each, in whatever the peer picks.
   */
  readonly prefer?: 'depth' | 'breadth';
  /** Contexts that are needed for something else. */
  readonly reserved?: number;
}

/**
 * Storage contexts of a C-GET, in which we are the provider (PS3.4 C.4.3, role selection PS3.7 D.3.3.4). An acceptor picks
 * one transfer syntax of a context, so each class gets as many contexts as there is room for, those used most first: with
 * one for each syntax, the peer sends what it keeps as it is.
 */
export function storageContexts(options: StorageContextsOptions = {}): ProposedContext[] {
  const { sopClassUids = [], privateSopClassUids = [], prefer = 'depth', reserved = 1 } = options;
  const room = contextsMax - reserved;
  const known = [...new Set(sopClassUids)].slice(0, room);
  if (known.length > 0) return contextsFor(known, room);
  // So many that the common ones are not crowded out.
  const own = privateSopClassUids.slice(0, Math.floor(room / 2));
  const all = [...new Set([...own, ...common.map((suffix) => `${arc}${suffix}`)])].slice(0, room);
  if (prefer === 'breadth') return contextsFor(all, room);
  return contextsFor(
    all.filter((uid) => !rare.has(uid)),
    room,
  );
}

/** One context for a class without pixels; the others share the room, and the first of them get what is left over. */
function contextsFor(sopClassUids: readonly string[], room: number): ProposedContext[] {
  const images = sopClassUids.filter((uid) => !withoutPixels.test(uid)).length;
  const shared = room - (sopClassUids.length - images);
  const each = Math.floor(shared / Math.max(1, images));
  let extra = Math.min(shared - each * images, images);
  return sopClassUids.flatMap((abstractSyntaxUid) => {
    const count = withoutPixels.test(abstractSyntaxUid) ? 1 : each + (extra-- > 0 ? 1 : 0);
    return syntaxGroups(abstractSyntaxUid, count).map((transferSyntaxUids) => ({
      abstractSyntaxUid,
      transferSyntaxUids,
      roles: { scu: false, scp: true },
    }));
  });
}

/** All syntaxes in at most so many groups; each has uncompressed ones, as PS3.5 section 10.1 wants them proposed. */
function syntaxGroups(sopClassUid: string, count: number): (readonly string[])[] {
  const uncompressed = [...explicit, implicit];
  if (withoutPixels.test(sopClassUid)) return [uncompressed];
  if (count <= 1) return [everything];
  const byUse = videoClasses.has(sopClassUid) ? [...video, ...compressed] : [...compressed, ...video];
  // What is kept in Implicit VR comes so where there is room.
  const plain = count > 5 ? [explicit, [implicit]] : [uncompressed];
  const single = Math.min(byUse.length, count - plain.length - 1);
  const rest = byUse.slice(single);
  return [...plain, ...byUse.slice(0, single).map((uid) => [uid]), ...(rest.length > 0 ? [rest] : [])];
}
