/** W3C Trace Context, version 00: version, trace-id, parent-id, trace-flags; ids of zeros only are invalid. */
const traceparentPattern = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const traceparentCharacters = 55;

/**
 * What of a worker's trace context a span of ours may hold: a link, and never the parent. A vendor's process says it,
 * so it may name any trace. As a parent it would draw our span, the lines logged inside it and the events that follow
 * into that trace (another patient's study, a trace of its own making), and its flags would decide what of ours is
 * sampled. A link only points somewhere: a forged one leads a reader nowhere and changes nothing.
 * @returns one link, or none when the worker said nothing or something malformed: no result is lost for that
 */
export function linksToWorker(traceparent: string | undefined): readonly string[] {
  if (traceparent?.length !== traceparentCharacters || !traceparentPattern.test(traceparent)) return [];
  return [traceparent];
}
