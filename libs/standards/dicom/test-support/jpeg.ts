/** A marker segment (ITU-T T.81 B.1.1.4). */
export const segment = (marker: number, ...data: readonly number[]): number[] => [
  0xff,
  marker,
  0,
  data.length + 2,
  ...data,
];

/** A frame header (B.2.2). @param sampling factors of each component */
export const frameHeader = (
  marker: number,
  {
    precision = 8,
    rows,
    columns,
    sampling,
  }: { precision?: number; rows: number; columns: number; sampling: readonly number[] },
): number[] =>
  segment(
    marker,
    ...[precision, 0, rows, 0, columns, sampling.length],
    ...sampling.flatMap((factors, i) => [i + 1, factors, 0]),
  );

/** Start of image, and what comes behind it. */
export const jpegOf = (...parts: readonly (readonly number[])[]): Uint8Array =>
  Uint8Array.from([0xff, 0xd8, ...parts.flat()]);
