// Pictures as planes of numbers, and back.

/** A decoded picture file (Blob), upright, as the screen would show it: ImageData. */
export async function decode(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: 'from-image' });
  } catch {
    throw new Error('this file is no picture that the browser can open');
  }
  const context = canvas(bitmap.width, bitmap.height).getContext('2d');
  context.fillStyle = '#fff'; // behind what is transparent
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, context.canvas.width, context.canvas.height);
}

const canvas = (width, height) => Object.assign(document.createElement('canvas'), { width, height });

/** The picture on a smaller canvas (ImageData). */
export function scaledDown(pixels, width, height) {
  const whole = canvas(pixels.width, pixels.height);
  whole.getContext('2d').putImageData(pixels, 0, 0);
  const context = canvas(width, height).getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(whole, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** A part of the picture from its middle (ImageData). */
export function middle(pixels, { left, top, width, height }) {
  const context = canvas(pixels.width, pixels.height).getContext('2d');
  context.putImageData(pixels, 0, 0);
  return context.getImageData(left, top, width, height);
}

/** `[1, 1 | 3, H, W]` in [0, 1] of RGBA pixels; one plane where nothing is coloured. */
export function toPlanes({ data, width, height }) {
  const area = width * height;
  let gray = true;
  for (let i = 0; gray && i < 4 * area; i += 4) {
    gray = data[i] === data[i + 1] && data[i] === data[i + 2];
  }
  const channels = gray ? 1 : 3;
  const planes = new Float32Array(channels * area);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < area; i++) planes[c * area + i] = data[4 * i + c] / 255;
  }
  return { data: planes, dims: [1, channels, height, width] };
}

/** RGBA pixels of planes in [0, 1], rounded to 8 bits. */
export function toPixels({ data, dims: [, channels, height, width] }) {
  const area = width * height;
  const pixels = new Uint8ClampedArray(4 * area).fill(255); // it clamps and rounds what it is given
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = 255 * data[(channels === 1 ? 0 : c * area) + i];
  }
  return new ImageData(pixels, width, height);
}

/** Standard deviation of the noise, in [0, 1] units, by the median of the diagonal Haar detail
 *  (Donoho and Johnstone, 1994); what is flat black or white, where noise is cut, is left out. */
export function estimateNoise({ data, dims: [, channels, height, width] }) {
  const counts = new Uint32Array(4096); // of |detail| in [0, 1)
  let total = 0;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y + 1 < height; y += 2) {
      for (let x = 0; x + 1 < width; x += 2) {
        const at = (c * height + y) * width + x;
        const block = [data[at], data[at + 1], data[at + width], data[at + width + 1]];
        if (Math.min(...block) <= 0 || Math.max(...block) >= 1) continue;
        const detail = Math.abs(block[0] - block[1] - block[2] + block[3]) / 2;
        counts[Math.min(4095, Math.floor(4096 * detail))] += 1;
        total += 1;
      }
    }
  }
  let seen = 0;
  for (let bin = 0; bin < 4096; bin++) {
    if (seen + counts[bin] > total / 2) {
      const inside = (total / 2 - seen) / counts[bin];
      return (bin + inside) / 4096 / 0.6745;
    }
    seen += counts[bin];
  }
  return 0;
}
