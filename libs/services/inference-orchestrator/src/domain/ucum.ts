import { UcumLhcUtils } from '@lhncbc/ucum-lhc';
import { UnitString } from '@lhncbc/ucum-lhc/source-cjs/unitString.js';

/** UCUM is written in visible ASCII without blanks (UCUM §1, §2); the longest unit a Long Code Value holds here. */
const unitPattern = /^[\x21-\x7e]{1,64}$/;

/**
 * Whether a unit is one of UCUM, case sensitive: an expression over its prefixes and atoms, as written. What the
 * library would have to mend or guess ("milliliter") is none.
 */
export function isUcum(unit: string): boolean {
  if (!unitPattern.test(unit)) return false;
  // Reads the table of atoms. Its own validation prints what it cannot parse, so that the parser is asked instead.
  UcumLhcUtils.getInstance();
  try {
    const [parsed, asWritten, remarks] = UnitString.getInstance().parseString(unit, 'validate', false);
    return parsed !== null && asWritten === unit && remarks.length === 0;
  } catch {
    return false;
  }
}
