/** `StudyIndexReader` of application/ports. */
export const STUDY_INDEX_READER = Symbol('dicomweb.study-index-reader');
/** `ArchiveInstances`: the archive behind both ports. */
export const ARCHIVE_INSTANCES = Symbol('dicomweb.archive-instances');
/**
 * `PrincipalOf`: who authenticated a request. Nobody can yet; what authenticates requests provides this, and its
 * principals become the sources of what they send.
 */
export const PRINCIPAL_OF = Symbol('dicomweb.principal-of');
