/** A setting of the live cluster that is not as it should be. */
export interface TopicDifference {
  /** Topic, or "broker 1". */
  readonly where: string;
  readonly setting: string;
  readonly wanted: string;
  readonly found: string;
  /** `loses`: acknowledged events can vanish. `unreplicated`: the loss of a broker loses or stops. `differs`: neither. */
  readonly danger: 'loses' | 'unreplicated' | 'differs';
  readonly why: string;
}
