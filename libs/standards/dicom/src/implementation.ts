/**
 * Callosum's Implementation Class UID (PS3.7 D.3.3.2), in associations and in every file Callosum writes: "2.25." and a
 * UUID (PS3.5 B.2), fixed for ever.
 */
export const implementationClassUid = '2.25.147735243198061271262904612233187427895';
/** Implementation Version Name (PS3.7 D.3.3.2.3), at most 16 characters. */
export const implementationVersionName = 'CALLOSUM_0_1';
