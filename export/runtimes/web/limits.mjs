// How large a picture may be. Tiles have no limit; a restoration that sees the whole picture at once
// needs memory for all of it, and WebAssembly has 4 GB. Measured with FFDNet: 700 (deconvolution) to
// 1100 (JPEG) bytes for each pixel, 430 for each pixel of an enlarged picture.

const MOST_TAKEN = 2e6; // pixels
const MOST_MADE = 4e6;

/** Pixels that a file may be given; Infinity where the picture is cut into tiles. */
export function mostPixels({ receptive_field: field, halo, settings }) {
  if (/^\d+$/.test(field) && /^\d+$/.test(halo)) return Infinity;
  const { factor = 1 } = settings ? JSON.parse(settings) : {};
  return Math.floor(Math.min(MOST_TAKEN, MOST_MADE / factor ** 2));
}

/** Largest size of the same shape that has no more than `most` pixels. */
export function sizeWithin(width, height, most) {
  const scale = Math.min(1, Math.sqrt(most / (width * height)));
  const [small, other] = [width, height].map((side) => Math.max(1, Math.floor(side * scale)));
  // a very long picture keeps a side of 1
  return { width: Math.min(small, most), height: Math.min(other, most) };
}

/** The middle of the picture, of the same shape, at multiples of 16: a JPEG file's blocks stay. */
export function middleWithin(width, height, most) {
  const within = sizeWithin(width, height, most);
  const start = (side, part) => 16 * Math.floor((side - part) / 32);
  return { left: start(width, within.width), top: start(height, within.height), ...within };
}

export const inMegapixels = (pixels) => (pixels / 1e6).toFixed(pixels < 1e6 ? 2 : 1);
