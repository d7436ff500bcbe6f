/** A grey picture for a screen: 0 is black, 255 is white. */
export interface Gray8 {
  readonly kind: 'gray8';
  readonly columns: number;
  readonly rows: number;
  /** Row after row, one byte a pixel. */
  readonly samples: Uint8Array;
}

/** A colour picture for a screen. */
export interface Rgb8 {
  readonly kind: 'rgb8';
  readonly columns: number;
  readonly rows: number;
  /** Row after row; red, green and blue of a pixel one after the other. */
  readonly samples: Uint8Array;
}

export type Picture = Gray8 | Rgb8;

/** Bytes of a pixel. */
export const channelsOf = ({ kind }: Pick<Picture, 'kind'>): 1 | 3 => (kind === 'gray8' ? 1 : 3);
