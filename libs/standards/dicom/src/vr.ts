const set = (vrs: string): ReadonlySet<string> => new Set(vrs.split(' '));

/** VRs with a 32-bit length in Explicit VR (PS3.5 7.1.2). */
export const longFormVrs = set('OB OD OF OL OV OW SQ SV UC UN UR UT UV');

/** VRs whose values are text (PS3.5 6.2). */
export const textVrs = set('AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT');

/** VRs of fixed-size numbers, and of tags. */
const numberVrs = set('AT FD FL SL SS SV UL US UV');

/** VRs whose values are bytes or words nobody asks for one by one. */
export const bulkVrs = set('OB OD OF OL OV OW UN');

/** All of PS3.5 6.2. */
export const allVrs: ReadonlySet<string> = new Set(['SQ', ...textVrs, ...numberVrs, ...bulkVrs]);
