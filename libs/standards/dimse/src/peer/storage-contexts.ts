import type { ProposedContext } from '../scu/scu-options.js';
import { contextsMax } from '../upper-layer/associate.js';

const arc = '1.2.840.10008.5.1.4.1.1.';

/**
 * Storage SOP classes by the part of their UID after the storage arc (PS3.6 table A-1): images first, then what goes with
 * them. What a C-GET asks for where nobody said which classes the study has.
 */
const common: readonly string[] = [
  ...['1', '1.1', '1.1.1', '1.2', '1.2.1', '1.3', '1.3.1'], // CR, DX, MG, IO
  ...['2', '2.1', '2.2', '4', '4.1', '4.2', '4.3', '4.4'], // CT, MR
  ...['3.1', '6.1', '6.2', '7', '7.1', '7.2', '7.3', '7.4'], // US, SC
  ...['12.1', '12.1.1', '12.2', '12.2.1', '13.1.1', '13.1.2', '13.1.3', '13.1.4', '13.1.5'], // XA, RF, 3D
  ...['20', '30', '128', '128.1', '130', '131'], // NM, PET
  ...['14.1', '14.2', '68.1', '68.2'], // IVOCT, surface scans
  ...['77.1.1', '77.1.1.1', '77.1.2', '77.1.2.1', '77.1.3', '77.1.4', '77.1.4.1', '77.1.6', '77.1.7'], // VL, WSM
  ...['77.1.5.1', '77.1.5.2', '77.1.5.3', '77.1.5.4', '77.1.5.5', '77.1.5.6', '77.1.5.7', '77.1.5.8'], // OP
  ...['78.1', '78.2', '78.3', '78.4', '78.5', '78.6', '78.7', '78.8', '79.1', '80.1', '81.1', '82.1'],
  ...['9.1.1', '9.1.2', '9.1.3', '9.2.1', '9.3.1', '9.4.1', '9.4.2', '9.5.1', '9.6.1', '9.6.2'], // waveforms
  ...['11.1', '11.2', '11.3', '11.4', '11.5', '11.6', '11.8', '11.11'], // presentation states
  ...['66', '66.1', '66.2', '66.3', '66.4', '66.5', '66.6', '67', '90.1'], // raw data, registration, SEG
  ...['88.11', '88.22', '88.33', '88.34', '88.35', '88.40', '88.50', '88.59', '88.65', '88.67', '88.68', '88.71'],
  ...['104.1', '104.2', '104.3'], // encapsulated PDF, CDA, STL
  ...['481.1', '481.2', '481.3', '481.4', '481.5', '481.6', '481.7', '481.8', '481.9'], // RT
];

/** As the peer may keep it: uncompressed, then the lossless ones, then what is lossy already. */
const syntaxes: readonly string[] = [
  '1.2.840.10008.1.2.1',
  '1.2.840.10008.1.2',
  '1.2.840.10008.1.2.4.70', // JPEG lossless, first-order prediction
  '1.2.840.10008.1.2.4.57', // JPEG lossless
  '1.2.840.10008.1.2.4.80', // JPEG-LS lossless
  '1.2.840.10008.1.2.4.90', // JPEG 2000 lossless
  '1.2.840.10008.1.2.4.201', // HTJ2K lossless
  '1.2.840.10008.1.2.5', // RLE
  '1.2.840.10008.1.2.4.50', // JPEG baseline
  '1.2.840.10008.1.2.4.51', // JPEG extended
  '1.2.840.10008.1.2.4.81', // JPEG-LS near-lossless
  '1.2.840.10008.1.2.4.91', // JPEG 2000
  '1.2.840.10008.1.2.4.203', // HTJ2K
  '1.2.840.10008.1.2.4.102', // MPEG-4 AVC/H.264
];

/**
 * Storage contexts of a C-GET, in which we are the provider (PS3.4 C.4.3, role selection PS3.7 D.3.3.4).
 * @param sopClassUids those of what is asked for, where they are known: then each gets a context for each transfer syntax,
 *   so that the peer can send what it keeps as it is; else the common classes, in whatever the peer picks
 * @param reserved contexts that are needed for something else
 */
export function storageContexts(sopClassUids: readonly string[] = [], reserved = 1): ProposedContext[] {
  const known = [...new Set(sopClassUids)];
  const roles = { scu: false, scp: true };
  const room = contextsMax - reserved;
  if (known.length > 0 && known.length * syntaxes.length <= room)
    return known.flatMap((abstractSyntaxUid) =>
      syntaxes.map((uid) => ({ abstractSyntaxUid, transferSyntaxUids: [uid], roles })),
    );
  const classes = [...new Set([...known, ...common.map((suffix) => `${arc}${suffix}`)])];
  return classes
    .slice(0, room)
    .map((abstractSyntaxUid) => ({ abstractSyntaxUid, transferSyntaxUids: syntaxes, roles }));
}
