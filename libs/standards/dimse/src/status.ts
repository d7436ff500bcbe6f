/** Status codes of a C-STORE response: PS3.4 table B.2-1 and PS3.7 annex C. */
export const StoreStatus = Object.freeze({
  Success: 0x0000,
  /** Any failure that fits no other code. */
  ProcessingFailure: 0x0110,
  /** The SOP Instance UID breaks the rules of UIDs, or is missing. */
  InvalidSopInstance: 0x0117,
  /** The SOP class of the command is not that of the presentation context. */
  SopClassNotSupported: 0x0122,
  /** The sender keeps its copy and may try again. */
  OutOfResources: 0xa700,
  DatasetDoesNotMatchSopClass: 0xa900,
  CannotUnderstand: 0xc000,
});

/** "A900": four hex digits, as the standard writes them. */
export const statusText = (status: number): string => status.toString(16).toUpperCase().padStart(4, '0');

/** Success and warnings (B000–BFFF): the peer has the instance. */
export const isStored = (status: number): boolean => status === 0 || (status & 0xf000) === 0xb000;
