/**
 * One event as it stands in the log: CloudEvents 1.0 attributes and the ProtoJSON value.
 * The same on every adapter; on Kafka the attributes are `ce_*` headers (binary content mode).
 */
export interface LogEvent {
  readonly topic: string;
  /** Never empty: events of one key stay in order. */
  readonly key: string;
  /** `ce_id`: the consumer's inbox and replay know an event by it. */
  readonly id: string;
  /** `ce_type`: full protobuf name of the value. */
  readonly type: string;
  /** `ce_source`: "/callosum/<service>". */
  readonly source: string;
  readonly time: Date;
  readonly site: string;
  /** `ce_correlationid`: one per incoming study transfer. */
  readonly correlationId: string;
  /** `ce_causationid`: the event whose handling produced this one; absent at the edge. */
  readonly causationId?: string;
  /** W3C trace context. */
  readonly traceparent?: string;
  /** `ce_errorcode`, only on `<topic>.<group>.dlq`: why the group parked it. */
  readonly errorCode?: string;
  /** ProtoJSON, UTF-8. */
  readonly value: string;
}
