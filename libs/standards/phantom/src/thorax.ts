import { normalTable, randomOf } from './random.js';
import { visitEllipsoid, visitTube, type Ellipsoid, type Grid, type Point, type Tube } from './shapes.js';

/** What a voxel is, in `Thorax.labels`. */
export const Label = { other: 0, rightLung: 1, leftLung: 2, airway: 3 } as const;

export interface Thorax {
  readonly grid: Grid;
  /** Hounsfield units; x to the left, y to the back, z to the head. */
  readonly hu: Int16Array;
  /** One of `Label` a voxel. Lungs include their vessels and exclude the airway. */
  readonly labels: Uint8Array;
}

/** Field of view and height in millimetres: an adult chest with air around it. */
export const fieldOfViewMm = 384;
export const heightMm = 288;

const hu = {
  air: -1000,
  fat: -95,
  muscle: 45,
  lung: -850,
  emphysema: -978,
  blood: 40,
  bone: 420,
  marrow: 180,
  table: -250,
  metal: 2600,
  liver: 60,
  wall: 20,
};

const middle = heightMm / 2;
// The right lung is the larger one, the heart lies to the left, the liver's dome raises the right diaphragm.
const rightLung: Ellipsoid = { centre: [-77, 2, middle], axes: [59, 82, 132] };
const leftLung: Ellipsoid = { centre: [80, 4, middle + 3], axes: [50, 78, 128] };
const heart: Ellipsoid = { centre: [32, -28, 95], axes: [52, 44, 52] };
const liver: Ellipsoid = { centre: [-75, 0, 4], axes: [80, 85, 50] };
const spleen: Ellipsoid = { centre: [90, 25, 0], axes: [45, 55, 34] };
const stomachGas: Ellipsoid = { centre: [62, -20, 8], axes: [15, 12, 7] };
const marker: Ellipsoid = { centre: [104, -84, 170], axes: [4, 4, 5] };

const carina: Point = [2, 18, 172];
const airway: readonly Tube[] = [
  { from: [0, 12, heightMm + 20], to: carina, radius: 9 },
  // The right main bronchus is wider and steeper than the left one.
  { from: carina, to: [-34, 20, 140], radius: 7 },
  { from: carina, to: [40, 22, 143], radius: 6 },
];
/** Thick enough to stay closed on the default grid: no air path from airway to lung. */
const airwayWallMm = 3.2;

/** Half axes of the body and of the inside of the ribs; both narrow towards the neck. */
const bodyAxes: readonly [number, number] = [172, 116];
const ribCageAxes: readonly [number, number] = [146, 90];
const skinFatMm = 11;
const noiseSigmaHu = 12;

/** Draws the chest on a grid. Deterministic in `seed`: it moves emphysema, vessels and noise. */
export function drawThorax(seed: number, grid: Grid): Thorax {
  const volume: Thorax = {
    grid,
    hu: new Int16Array(grid.columns * grid.rows * grid.slices).fill(hu.air),
    labels: new Uint8Array(grid.columns * grid.rows * grid.slices),
  };
  drawBody(volume);
  drawLungs(volume);
  const random = randomOf(seed);
  drawEmphysema(volume, random);
  drawVessels(volume, random);
  drawAirway(volume);
  fill(volume, stomachGas, hu.air);
  fill(volume, marker, hu.metal);
  addNoise(volume, seed);
  return volume;
}

/** How wide the body is at a height: full up to the shoulders, then narrowing. */
const widthAt = (z: number): number => (z < 0.8 * heightMm ? 1 : 1 - 0.9 * ((z / heightMm - 0.8) ** 2 / 0.04) * 0.22);

const insideEllipse = (x: number, y: number, [a, b]: readonly [number, number]): boolean =>
  (x / a) ** 2 + (y / b) ** 2 <= 1;

function drawBody({ grid, hu: out }: Thorax): void {
  for (let k = 0, index = 0; k < grid.slices; k++) {
    const z = grid.origin[2] + k * grid.spacing[2];
    const w = widthAt(z);
    const body = [bodyAxes[0] * w, bodyAxes[1] * w] as const;
    const muscle = [body[0] - skinFatMm, body[1] - skinFatMm] as const;
    const cage = [ribCageAxes[0] * w, ribCageAxes[1] * w] as const;
    for (let j = 0; j < grid.rows; j++) {
      const y = grid.origin[1] + j * grid.spacing[1];
      for (let i = 0; i < grid.columns; i++, index++) {
        const x = grid.origin[0] + i * grid.spacing[0];
        if (insideEllipse(x, y, body)) out[index] = tissueAt(x, y, z, muscle, cage);
        else if (y > 122 && y < 132 && Math.abs(x) < 185) out[index] = hu.table;
      }
    }
  }
}

function tissueAt(
  x: number,
  y: number,
  z: number,
  muscle: readonly [number, number],
  cage: readonly [number, number],
): number {
  if (!insideEllipse(x, y, muscle)) return hu.fat;
  const spine = x * x + (y - 78) ** 2;
  if (spine < 21 ** 2) return spine < 15 ** 2 ? hu.marrow : hu.bone;
  const isRibShell = !insideEllipse(x, y, cage) && insideEllipse(x, y, [cage[0] + 7, cage[1] + 7]);
  // Ribs slope down to the front, one every 26 mm.
  if (isRibShell && (((z - y * 0.35) % 26) + 26) % 26 < 10) return hu.bone;
  if (Math.abs(x) < 16 && y < -cage[1] - 1 && y > -cage[1] - 9 && z > 90 && z < 230) return hu.bone;
  return hu.muscle;
}

function drawLungs({ grid, hu: out, labels }: Thorax): void {
  for (const [shape, label] of [
    [rightLung, Label.rightLung],
    [leftLung, Label.leftLung],
  ] as const) {
    visitEllipsoid(grid, shape, (index, x, y, z) => {
      const w = widthAt(z);
      const isChest = insideEllipse(x, y, [ribCageAxes[0] * w - 4, ribCageAxes[1] * w - 4]);
      const isMediastinum =
        Math.abs(x - 4) < 24 || inside(heart, x, y, z) || inside(liver, x, y, z) || inside(spleen, x, y, z);
      const isSpine = x * x + (y - 78) ** 2 < 26 ** 2;
      if (!isChest || isMediastinum || isSpine) return;
      labels[index] = label;
      out[index] = hu.lung;
    });
  }
  fill({ grid, hu: out }, liver, hu.liver, (index) => out[index] === hu.muscle);
}

/** Low attenuation in the upper lobes, more on the right. */
function drawEmphysema(volume: Thorax, random: () => number): void {
  const { grid, hu: out, labels } = volume;
  const between = (low: number, high: number): number => low + random() * (high - low);
  for (let n = 0; n < 26; n++) {
    const isRight = n % 3 !== 2;
    const radius = between(8, 17);
    const centre: Point = [
      isRight ? between(-115, -45) : between(50, 112),
      between(-50, 55),
      between(middle + 15, heightMm - 30),
    ];
    visitEllipsoid(grid, { centre, axes: [radius, radius, radius] }, (index) => {
      if (labels[index] === Label.rightLung || labels[index] === Label.leftLung) out[index] = hu.emphysema;
    });
  }
}

/** Vessels fan out from each hilum and thin out; they belong to the lung. */
function drawVessels({ grid, hu: out, labels }: Thorax, random: () => number): void {
  for (const [hilum, side, label] of [
    [[-36, 16, 138], -1, Label.rightLung],
    [[42, 18, 142], 1, Label.leftLung],
  ] as const) {
    for (let n = 0; n < 16; n++) {
      let from: Point = hilum;
      let direction: Point = [side * (0.4 + random()), (random() - 0.5) * 1.8, (random() - 0.5) * 2.4];
      for (let generation = 0; generation < 3; generation++) {
        const size = Math.hypot(...direction);
        const reach = 26 - generation * 4;
        const to: Point = [
          from[0] + (direction[0] / size) * reach,
          from[1] + (direction[1] / size) * reach,
          from[2] + (direction[2] / size) * reach,
        ];
        visitTube(grid, { from, to, radius: 2.6 - generation * 0.7 }, (index) => {
          if (labels[index] === label) out[index] = hu.blood;
        });
        direction = [direction[0] + (random() - 0.5), direction[1] + (random() - 0.5), direction[2] + (random() - 0.5)];
        from = to;
      }
    }
  }
}

function drawAirway({ grid, hu: out, labels }: Thorax): void {
  for (const tube of airway) {
    visitTube(grid, { ...tube, radius: tube.radius + airwayWallMm }, (index) => {
      out[index] = hu.wall;
      labels[index] = Label.other;
    });
  }
  for (const tube of airway) {
    visitTube(grid, tube, (index) => {
      out[index] = hu.air;
      labels[index] = Label.airway;
    });
  }
}

function inside({ centre, axes }: Ellipsoid, x: number, y: number, z: number): boolean {
  return ((x - centre[0]) / axes[0]) ** 2 + ((y - centre[1]) / axes[1]) ** 2 + ((z - centre[2]) / axes[2]) ** 2 <= 1;
}

function fill(
  { grid, hu: out }: Pick<Thorax, 'grid' | 'hu'>,
  shape: Ellipsoid,
  value: number,
  where: (index: number) => boolean = () => true,
): void {
  visitEllipsoid(grid, shape, (index) => {
    if (where(index)) out[index] = value;
  });
}

/** Values stay inside 12 bits with intercept -1024, as a scanner writes them. */
function addNoise({ hu: out }: Thorax, seed: number): void {
  const table = normalTable(seed ^ 0x5bd1e995, 1 << 14);
  let state = seed >>> 0;
  for (let i = 0; i < out.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const noisy = Math.round((out[i] ?? 0) + noiseSigmaHu * (table[state >>> 18] ?? 0));
    out[i] = Math.max(-1024, Math.min(3071, noisy));
  }
}
