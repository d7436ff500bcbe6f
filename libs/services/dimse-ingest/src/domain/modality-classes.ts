const storageArc = '1.2.840.10008.5.1.4.1.1.';

/**
 * SOP classes of each modality (PS3.3 C.7.3.1.1.1 and PS3.6 table A-1), by the part of the UID after the storage arc; one
 * that ends with a dot stands for all below it.
 */
const classes: Readonly<Record<string, readonly string[]>> = {
  CR: ['1'],
  DX: ['1.1', '1.1.1'],
  MG: ['1.2', '1.2.1', '13.1.3', '13.1.4', '13.1.5'],
  IO: ['1.3', '1.3.1'],
  CT: ['2', '2.1', '2.2'],
  MR: ['4', '4.1', '4.2', '4.3', '4.4'],
  US: ['3', '3.1', '6', '6.1', '6.2', '6.3'],
  XA: ['12.1', '12.1.1', '12.3', '13.1.1'],
  RF: ['12.2', '12.2.1', '13.1.2'],
  NM: ['20'],
  PT: ['128', '128.1', '130'],
  OT: ['7', '7.1', '7.2', '7.3', '7.4'],
  ES: ['77.1.1', '77.1.1.1'],
  GM: ['77.1.2', '77.1.2.1'],
  SM: ['77.1.3', '77.1.6', '77.1.7'],
  XC: ['77.1.4', '77.1.4.1'],
  OP: ['77.1.5.1', '77.1.5.2', '77.1.5.3'],
  OPT: ['77.1.5.4', '77.1.5.8'],
  ECG: ['9.1.'],
  RTIMAGE: ['481.1'],
  RTDOSE: ['481.2'],
  RTSTRUCT: ['481.3'],
  RTPLAN: ['481.5', '481.8'],
  RTRECORD: ['481.4', '481.6', '481.7', '481.9'],
  SEG: ['66.4', '66.5', '66.7'],
  REG: ['66.1', '66.3'],
  PR: ['11.'],
  SR: ['88.11', '88.22', '88.33', '88.34', '88.35', '88.40', '88.50', '88.65', '88.67', '88.68', '88.71'],
  KO: ['88.59'],
  DOC: ['104.1', '104.2'],
};

/** Names a rule may use in place of SOP Class UIDs. */
export const modalityClasses: readonly string[] = Object.keys(classes);

/** Whether objects of a SOP class are of this modality class; false for a name that is none. */
export function isOfModality(sopClassUid: string, modality: string): boolean {
  if (!sopClassUid.startsWith(storageArc)) return false;
  const suffix = sopClassUid.slice(storageArc.length);
  return (classes[modality] ?? []).some((one) => (one.endsWith('.') ? suffix.startsWith(one) : suffix === one));
}
