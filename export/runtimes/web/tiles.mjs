// Large pictures in overlapping tiles: each tile is read with a border (the passport's halo) that
// keeps the tile's own edge out of its core, so that the cores together equal the whole picture.

/** Cores that cover the picture, and what is read for each.
 *  @param unit cores and reads start at multiples of it (the network's own grid)
 *  @returns `[{top, left, bottom, right, read: {top, left, bottom, right}}]` */
export function planTiles(height, width, { core, halo, unit }) {
  const reach = Math.ceil(halo / unit) * unit;
  const spans = (size) => {
    const count = Math.ceil(size / core);
    const step = Math.max(unit, Math.ceil(size / count / unit) * unit);
    const all = [];
    for (let from = 0; from < size; from += step) {
      const to = Math.min(from + step, size);
      all.push({ from, to, readFrom: Math.max(0, from - reach), readTo: Math.min(size, to + reach) });
    }
    return all;
  };
  return spans(height).flatMap((y) => spans(width).map((x) => ({
    top: y.from, bottom: y.to, left: x.from, right: x.to,
    read: { top: y.readFrom, bottom: y.readTo, left: x.readFrom, right: x.readTo },
  })));
}

/** The part of a `[N, C, H, W]` tensor inside a window. */
export function crop({ data, dims: [n, c, h, w] }, { top, left, bottom, right }) {
  const [height, width] = [bottom - top, right - left];
  const found = new Float32Array(n * c * height * width);
  for (let plane = 0; plane < n * c; plane++) {
    for (let y = 0; y < height; y++) {
      const from = (plane * h + top + y) * w + left;
      found.set(data.subarray(from, from + width), (plane * height + y) * width);
    }
  }
  return { data: found, dims: [n, c, height, width] };
}

/** Writes the core of a restored tile to its place; both may be `scale` times larger. */
export function paste(target, restored, tile, scale) {
  const [n, c, h, w] = target.dims;
  const [, , tileHeight, tileWidth] = restored.dims;
  const width = (tile.right - tile.left) * scale;
  const [dy, dx] = [(tile.top - tile.read.top) * scale, (tile.left - tile.read.left) * scale];
  for (let plane = 0; plane < n * c; plane++) {
    for (let y = 0; y < (tile.bottom - tile.top) * scale; y++) {
      const from = (plane * tileHeight + dy + y) * tileWidth + dx;
      const to = (plane * h + tile.top * scale + y) * w + tile.left * scale;
      target.data.set(restored.data.subarray(from, from + width), to);
    }
  }
}
