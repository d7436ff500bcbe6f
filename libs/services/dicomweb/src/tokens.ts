/** `StudyIndexReader` of application/ports. */
export const STUDY_INDEX_READER = Symbol('dicomweb.study-index-reader');
/** `ArchiveInstances`: the archive behind both ports. */
export const ARCHIVE_INSTANCES = Symbol('dicomweb.archive-instances');
/**
 * `PrincipalOf`: who authenticated a request, and so the source of what it sends.
 */
export const PRINCIPAL_OF = Symbol('dicomweb.principal-of');
