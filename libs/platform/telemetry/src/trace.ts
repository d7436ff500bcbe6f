import {
  type Attributes,
  context,
  type Context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { errorCode } from '@callosum/kernel';

export interface SpanOptions {
  readonly kind?: SpanKind;
  /** Keys come from the attribute registry; DICOM UIDs may stand here, demographics may not. */
  readonly attributes?: Attributes;
  /** Parent as W3C traceparent; without it the active span is the parent. */
  readonly traceparent?: string | undefined;
  /** Other traces this work belongs to. */
  readonly links?: readonly string[];
}

/**
 * Runs `work` in a span of its own. A failure marks the span with the error's stable code, not its message:
 * messages of libraries may quote data.
 */
export async function withSpan<T>(
  service: string,
  name: string,
  options: SpanOptions,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const parent = options.traceparent ? contextOf(options.traceparent) : context.active();
  const tracer = trace.getTracer(`callosum.${service}`);
  const links = (options.links ?? []).map(linkOf).filter((link) => link !== undefined);
  const attributes = { 'callosum.service': service, ...options.attributes };
  return tracer.startActiveSpan(
    name,
    { kind: options.kind ?? SpanKind.INTERNAL, attributes, links },
    parent,
    async (span) => {
      try {
        return await work(span);
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: errorCode(error) });
        span.setAttribute('error.type', errorCode(error));
        throw error;
      } finally {
        span.end();
      }
    },
  );
}

/** The active span's context as W3C traceparent; undefined outside any span. */
export function currentTraceparent(): string | undefined {
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  return carrier['traceparent'];
}

/** A context whose parent is the given traceparent; the root context when there is none, or a malformed one. */
export function contextOf(traceparent: string | undefined): Context {
  return traceparent === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { traceparent });
}

function linkOf(traceparent: string): Link | undefined {
  const spanContext = trace.getSpanContext(contextOf(traceparent));
  return spanContext ? { context: spanContext } : undefined;
}
