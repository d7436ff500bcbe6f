const set = (vrs: string): ReadonlySet<string> => new Set(vrs.split(' '));

/** VRs with a 32-bit length in Explicit VR (PS3.5 7.1.2). */
export const longFormVrs = set('OB OD OF OL OV OW SQ SV UC UN UR UT UV');

/** VRs whose values are text (PS3.5 6.2). */
export const textVrs = set('AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT');

const singleTextVrs = set('LT ST UT UR');

/** True for text of one value, in which a backslash is a character like any other (PS3.5 6.2). */
export const isSingleText = (vr: string): boolean => singleTextVrs.has(vr);

/** VRs whose bytes Specific Character Set (0008,0005) governs (PS3.5 6.1.2.2). */
export const characterSetVrs = set('LO LT PN SH ST UC UT');

/** VRs of fixed-size numbers, and of tags. */
const numberVrs = set('AT FD FL SL SS SV UL US UV');

/** VRs whose values are bytes or words nobody asks for one by one. */
export const bulkVrs = set('OB OD OF OL OV OW UN');

/** All of PS3.5 6.2. */
export const allVrs: ReadonlySet<string> = new Set(['SQ', ...textVrs, ...numberVrs, ...bulkVrs]);
