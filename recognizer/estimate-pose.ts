/** Degrees; all zero when the face looks straight into the camera. */
export interface Pose {
  /** Positive: the nose points to the right of the picture. */
  readonly yaw: number;
  /** Positive: the nose points up. */
  readonly pitch: number;
  /** Positive: the head leans clockwise. */
  readonly roll: number;
}

type Vector = readonly [x: number, y: number, z: number];

/**
 * A mean face: the index of a landmark, and where it is on a head that looks straight ahead; x to the right of the
 * picture, y up, z towards the camera. The model of S. Mallick, "Head Pose Estimation using OpenCV and Dlib" (2016).
 */
const MEAN_FACE: readonly (readonly [landmark: number, place: Vector])[] = [
  [30, [0, 0, 0]], // tip of the nose
  [8, [0, -330, -65]], // chin
  [36, [-225, 170, -135]], // outer corners of the eyes
  [45, [225, 170, -135]],
  [48, [-150, -150, -125]], // corners of the mouth
  [54, [150, -150, -125]],
];

/** Degrees: the median of face-api's landmarks under this model over 84 faces of photos (docs/adr/0008). */
const PITCH_OF_FRONTAL_FACES = -13;

/**
 * Fits the mean face to the landmarks by least squares under scaled orthographic projection: the first step of POSIT
 * (DeMenthon and Davis, "Model-Based Object Pose in 25 Lines of Code", IJCV 15, 1995). The angles are those of
 * R = Rz(roll) · Ry(yaw) · Rx(pitch).
 *
 * @param landmarks x and y of 68 points in turn, in pixels
 */
export function estimatePose(landmarks: Float32Array): Pose {
  const { right, up } = fitAxes(landmarks);
  const towards = cross(right, up);
  return {
    yaw: degrees(Math.asin(Math.max(-1, Math.min(1, -towards[0])))),
    pitch: -degrees(Math.atan2(towards[1], towards[2])) - PITCH_OF_FRONTAL_FACES,
    roll: -degrees(Math.atan2(up[0], right[0])),
  };
}

/** The first two rows of the rotation: what of the head's x, y and z points to the right of the picture, and up in it. */
function fitAxes(landmarks: Float32Array): { right: Vector; up: Vector } {
  const xs = MEAN_FACE.map(([index]) => landmarks[2 * index] ?? 0);
  const ys = MEAN_FACE.map(([index]) => -(landmarks[2 * index + 1] ?? 0));
  const [x, y] = [solve(xs), solve(ys)].map(normalise) as [Vector, Vector];
  // Noise leaves them not quite perpendicular: each gives way by half.
  const half = dot(x, y) / 2;
  return { right: normalise(subtract(x, scale(y, half))), up: normalise(subtract(y, scale(x, half))) };
}

const CENTRE = MEAN_FACE.reduce<Vector>((sum, [, place]) => add(sum, scale(place, 1 / MEAN_FACE.length)), [0, 0, 0]);
const CENTRED = MEAN_FACE.map(([, place]) => subtract(place, CENTRE));
const [XX, YY, ZZ, YZ] = [sumOf(0, 0), sumOf(1, 1), sumOf(2, 2), sumOf(1, 2)];

/** The vector whose products with the places of the mean face come nearest to the values, a constant apart. */
function solve(values: readonly number[]): Vector {
  const project = (axis: 0 | 1 | 2) =>
    CENTRED.reduce((sum, place, index) => sum + place[axis] * (values[index] ?? 0), 0);
  const [x, y, z] = [project(0), project(1), project(2)];
  // The mean face is symmetric, so x stands alone in the normal equations.
  const determinant = YY * ZZ - YZ * YZ;
  return [x / XX, (y * ZZ - z * YZ) / determinant, (z * YY - y * YZ) / determinant];
}

function sumOf(a: 0 | 1 | 2, b: 0 | 1 | 2): number {
  return CENTRED.reduce((sum, place) => sum + place[a] * place[b], 0);
}

const degrees = (radians: number) => (radians * 180) / Math.PI;
function add(a: Vector, b: Vector): Vector {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
}
function scale(a: Vector, factor: number): Vector {
  return [a[0] * factor, a[1] * factor, a[2] * factor];
}
function subtract(a: Vector, b: Vector): Vector {
  return add(a, scale(b, -1));
}
function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}
function normalise(a: Vector): Vector {
  return scale(a, 1 / (Math.hypot(...a) || 1));
}
