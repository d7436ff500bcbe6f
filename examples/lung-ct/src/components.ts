import type { Grid } from './volume.js';

/**
 * Connected voxels as runs along rows. A chest has some hundred thousand runs where it has tens of millions of
 * voxels, so neither a queue nor a number for each voxel is needed.
 */
export interface Components {
  readonly runCount: number;
  /** Index of the first voxel of each run, and the index after its last. */
  readonly start: Int32Array;
  readonly end: Int32Array;
  /** Component of each run: 0, 1, 2… */
  readonly component: Int32Array;
  readonly count: number;
  /** Voxels of each component. */
  readonly size: Int32Array;
}

const firstCapacity = 1 << 14;

/** Runs while they are collected; `parent` is a union-find forest. */
class RunForest {
  count = 0;
  start = new Int32Array(firstCapacity);
  end = new Int32Array(firstCapacity);
  parent = new Int32Array(firstCapacity);

  add(start: number, end: number): void {
    if (this.count === this.start.length) this.grow();
    this.start[this.count] = start;
    this.end[this.count] = end;
    this.parent[this.count] = this.count;
    this.count++;
  }

  find(run: number): number {
    const { parent } = this;
    let root = run;
    while (parent[root] !== root) {
      // Halving the path keeps later searches short.
      const above = parent[parent[root] ?? root] ?? root;
      parent[root] = above;
      root = above;
    }
    return root;
  }

  join(a: number, b: number): void {
    const [rootA, rootB] = [this.find(a), this.find(b)];
    if (rootA < rootB) this.parent[rootB] = rootA;
    else this.parent[rootA] = rootB;
  }

  private grow(): void {
    const grown = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const larger = new Int32Array(old.length * 2);
      larger.set(old);
      return larger;
    };
    this.start = grown(this.start);
    this.end = grown(this.end);
    this.parent = grown(this.parent);
  }
}

/**
 * Components of voxels with one value in a mask, joined by faces: in three dimensions, or each slice on its own.
 */
export function componentsOf(
  { columns, rows, slices }: Pick<Grid, 'columns' | 'rows' | 'slices'>,
  mask: Uint8Array,
  value: number,
  acrossSlices: boolean,
): Components {
  const forest = new RunForest();
  const firstRun = new Int32Array(rows * slices + 1);
  for (let line = 0; line < rows * slices; line++) {
    firstRun[line] = forest.count;
    collectRuns(forest, mask, value, line * columns, columns);
    if (line % rows > 0) joinLines(forest, firstRun, line, line - 1, columns);
    if (acrossSlices && line >= rows) joinLines(forest, firstRun, line, line - rows, columns * rows);
  }
  return numbered(forest);
}

function collectRuns(forest: RunForest, mask: Uint8Array, value: number, from: number, columns: number): void {
  const to = from + columns;
  for (let index = from; index < to; index++) {
    if (mask[index] !== value) continue;
    const start = index;
    while (index < to && mask[index] === value) index++;
    forest.add(start, index);
  }
}

/** Joins the runs of the newest line with those of an earlier one, `offset` voxels before it. */
function joinLines(forest: RunForest, firstRun: Int32Array, line: number, earlier: number, offset: number): void {
  const { start, end } = forest;
  let a = firstRun[line] ?? 0;
  let b = firstRun[earlier] ?? 0;
  const bEnd = firstRun[earlier + 1] ?? 0;
  while (a < forest.count && b < bEnd) {
    const aStart = (start[a] ?? 0) - offset;
    const aEnd = (end[a] ?? 0) - offset;
    const bStop = end[b] ?? 0;
    if (aStart < bStop && (start[b] ?? 0) < aEnd) forest.join(a, b);
    if (aEnd < bStop) a++;
    else b++;
  }
}

function numbered(forest: RunForest): Components {
  const component = new Int32Array(forest.count);
  let count = 0;
  // A root is its component's first run, so it has its number before any other run asks for it.
  for (let run = 0; run < forest.count; run++) {
    const root = forest.find(run);
    component[run] = root === run ? count++ : (component[root] ?? 0);
  }
  const { start, end } = forest;
  const size = new Int32Array(count);
  for (let run = 0; run < forest.count; run++) {
    const number = component[run] ?? 0;
    size[number] = (size[number] ?? 0) + (end[run] ?? 0) - (start[run] ?? 0);
  }
  return { runCount: forest.count, start, end, component, count, size };
}

/** Number of the largest component; -1 when there is none. */
export function largestOf({ size, count }: Components): number {
  let best = -1;
  for (let n = 0; n < count; n++) if (best < 0 || (size[n] ?? 0) > (size[best] ?? 0)) best = n;
  return best;
}

/** Sets the voxels of chosen components in a mask. */
export function paint(components: Components, mask: Uint8Array, valueOf: (component: number) => number): void {
  const { runCount, start, end, component } = components;
  for (let run = 0; run < runCount; run++) {
    mask.fill(valueOf(component[run] ?? 0), start[run], end[run]);
  }
}
