/** `StudyIndexReader` of application/ports. */
export const STUDY_INDEX_READER = Symbol('dicomweb.study-index-reader');
/** `ArchiveInstances`: the archive behind both ports. */
export const ARCHIVE_INSTANCES = Symbol('dicomweb.archive-instances');
/** `FrameSource` of application/ports: frames for who decodes them. */
export const FRAME_SOURCE = Symbol('dicomweb.frame-source');
/**
 * `PrincipalOf`: who authenticated a request, and so the source of what it sends.
 */
export const PRINCIPAL_OF = Symbol('dicomweb.principal-of');
/** `BodyBounds`: what the sender of a store has to bring, and how long it is heard when its answer is known. */
export const BODY_BOUNDS = Symbol('dicomweb.body-bounds');
