// What some files need besides picture and noise level: a JPEG file's quantisation table, a blur.

// order in which a JPEG file stores the 64 steps
const ZIGZAG = [];
for (let sum = 0; sum < 15; sum++) {
  const diagonal = [];
  for (let row = Math.max(0, sum - 7); row <= Math.min(7, sum); row++) {
    diagonal.push(8 * row + (sum - row));
  }
  ZIGZAG.push(...(sum % 2 ? diagonal : diagonal.reverse()));
}

/** Quantisation tables of a JPEG file (Uint8Array), one for each of its components, row by row;
 *  null if it is no JPEG. */
export function jpegTables(bytes) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null;
  const tables = {};
  let used = null;
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at += 1; // fill byte
      continue;
    }
    const end = at + 2 + bytes[at + 2] * 256 + bytes[at + 3];
    if (marker === 0xdb) {
      for (let p = at + 4; p < end;) {
        const wide = bytes[p] >> 4;
        const table = new Float32Array(64);
        for (let i = 0; i < 64; i++) {
          const q = p + 1 + (wide ? 2 * i : i);
          table[ZIGZAG[i]] = wide ? bytes[q] * 256 + bytes[q + 1] : bytes[q];
        }
        tables[bytes[p] & 15] = table;
        p += 1 + (wide ? 128 : 64);
      }
    } else if (marker >= 0xc0 && marker <= 0xc2) {
      const count = bytes[at + 9];
      used = Array.from({ length: count }, (_, i) => bytes[at + 10 + 3 * i + 2]);
    } else if (marker === 0xda) break;
    at = end;
  }
  const found = used?.map((id) => tables[id]);
  return found?.every(Boolean) ? found : null;
}

// the luminance table of the JPEG standard, annex K
const STANDARD = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
  14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
  49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/** The table of a quality from 1 to 100, as libjpeg scales the standard's. */
export function qualityTable(quality) {
  const percent = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  return Float32Array.from(STANDARD, (step) =>
    Math.min(255, Math.max(1, Math.floor((step * percent + 50) / 100))));
}

const kernelOf = (side, weight) => {
  const middle = (side - 1) / 2;
  const data = Float32Array.from({ length: side * side }, (_, i) =>
    weight((i % side) - middle, Math.floor(i / side) - middle));
  const sum = data.reduce((a, b) => a + b);
  return { data: data.map((value) => value / sum), dims: [side, side] };
};

/** Blur of a lens out of focus, as a Gaussian of that standard deviation in pixels. */
export const gaussianKernel = (deviation) =>
  kernelOf(2 * Math.ceil(3 * deviation) + 1, (x, y) =>
    Math.exp(-(x * x + y * y) / (2 * deviation * deviation)));

/** Blur of a straight movement: a line of that length in pixels, at that angle in degrees. */
export function motionKernel(length, degrees) {
  const angle = (degrees * Math.PI) / 180;
  const [dx, dy] = [Math.cos(angle), -Math.sin(angle)];
  return kernelOf(2 * Math.ceil(length / 2) + 3, (x, y) => {
    // a pixel wide, with soft edges
    const along = Math.min(1, Math.max(0, length / 2 + 0.5 - Math.abs(x * dx + y * dy)));
    return along * Math.max(0, 1 - Math.abs(x * dy - y * dx));
  });
}

/** A kernel from one channel of a picture; dark is zero. */
export function pictureKernel({ data, dims: [, , height, width] }) {
  const plane = data.slice(0, height * width);
  const sum = plane.reduce((a, b) => a + b);
  if (!(sum > 0)) throw new Error('this picture is black: no blur kernel');
  return { data: plane.map((value) => value / sum), dims: [height, width] };
}
