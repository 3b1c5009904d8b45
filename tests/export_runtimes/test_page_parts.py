"""The page's parts that need no browser: tiles, JPEG tables, blur kernels, noise estimate."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

TILES = "import { planTiles, crop, paste } from 'RUNTIMES/web/tiles.mjs';\n"
EXTRAS = "import * as extras from 'RUNTIMES/web/extras.mjs';\n"


@pytest.mark.parametrize(
    ("height", "width", "core", "halo", "unit"),
    [(100, 90, 32, 5, 8), (384, 385, 384, 30, 16), (1, 1, 384, 30, 16), (65, 700, 64, 100, 2)],
)
def test_cores_cover_every_pixel_once(node_json, height, width, core, halo, unit):
    tiles = node_json(
        TILES
        + f"""const tiles = planTiles({height}, {width},
          {{ core: {core}, halo: {halo}, unit: {unit} }});
        console.log(JSON.stringify(tiles));"""
    )
    count = np.zeros((height, width), int)
    for tile in tiles:
        count[tile["top"] : tile["bottom"], tile["left"] : tile["right"]] += 1
        read = tile["read"]
        assert read["top"] % unit == 0
        assert read["left"] % unit == 0
        for low, high, size in (("top", "bottom", height), ("left", "right", width)):
            assert read[low] == 0 or tile[low] - read[low] >= halo
            assert read[high] == size or read[high] - tile[high] >= halo
            assert tile[high] - tile[low] <= core
    assert (count == 1).all()


@pytest.mark.parametrize("scale", [1, 2])
def test_a_filter_in_tiles_is_the_filter_of_the_whole(node_json, scale):
    """A 7x7 box filter with zeros outside, then repeated pixels: what a small network does."""
    code = """
    const box = ({ data, dims: [n, c, h, w] }, scale) => {
      const out = new Float32Array(n * c * h * w * scale * scale);
      for (let p = 0; p < n * c; p++) for (let y = 0; y < h * scale; y++)
        for (let x = 0; x < w * scale; x++) {
          let sum = 0;
          const [cy, cx] = [Math.floor(y / scale), Math.floor(x / scale)];
          for (let dy = -3; dy <= 3; dy++) for (let dx = -3; dx <= 3; dx++) {
            const [v, u] = [cy + dy, cx + dx];
            if (v >= 0 && u >= 0 && v < h && u < w) sum += data[(p * h + v) * w + u];
          }
          out[(p * h * scale + y) * w * scale + x] = sum;
        }
      return { data: out, dims: [n, c, h * scale, w * scale] };
    };
    const [n, c, h, w] = [1, 2, 41, 58];
    const x = { data: Float32Array.from({ length: n * c * h * w }, (_, i) => (i * 7919) % 101),
                dims: [n, c, h, w] };
    const whole = box(x, SCALE);
    const target = { data: new Float32Array(whole.data.length), dims: whole.dims };
    const tiles = planTiles(h, w, { core: 16, halo: 3, unit: 4 });
    for (const tile of tiles) paste(target, box(crop(x, tile.read), SCALE), tile, SCALE);
    const off = whole.data.reduce((m, v, i) => Math.max(m, Math.abs(v - target.data[i])), 0);
    console.log(JSON.stringify({ off, tiles: tiles.length }));
    """
    found = node_json(TILES + code.replace("SCALE", str(scale)))
    assert found["tiles"] > 6
    assert found["off"] == 0  # the same sums in the same order


def test_most_pixels(node_json):
    """Files that are cut into tiles take any picture, others what fits into memory."""
    found = node_json(
        """import { mostPixels } from 'RUNTIMES/web/limits.mjs';
        const whole = { receptive_field: 'whole image', halo: '30' };
        console.log(JSON.stringify([
          mostPixels({ receptive_field: '50', halo: '30', settings: '' }) === Infinity,
          mostPixels({ ...whole, settings: '{"task": "deconvolution"}' }),
          mostPixels({ ...whole, settings: '{"factor": 2.0}' }),
          mostPixels({ ...whole, settings: '{"factor": 4.0}' }),
        ]));"""
    )
    assert found == [True, 2_000_000, 1_000_000, 250_000]


def test_sizes_that_fit(node_json):
    sizes = [(4000, 3000), (300, 200), (1, 9_000_000), (9_000_000, 1), (1501, 1401)]
    found = node_json(
        f"""import {{ sizeWithin, middleWithin }} from 'RUNTIMES/web/limits.mjs';
        console.log(JSON.stringify({json.dumps(sizes)}.map(([width, height]) =>
          [sizeWithin(width, height, 2e6), middleWithin(width, height, 2e6)])));"""
    )
    for (width, height), (scaled, part) in zip(sizes, found, strict=True):
        assert 1 <= scaled["width"] * scaled["height"] <= 2e6
        if min(width, height) > 1:
            shape = (scaled["width"] / scaled["height"]) / (width / height)
            assert shape == pytest.approx(1, abs=0.01)
        if width * height <= 2e6:
            assert scaled == {"width": width, "height": height}
        for start, size, whole in (("left", "width", width), ("top", "height", height)):
            assert part[start] % 16 == 0
            assert part[start] >= 0
            assert part[start] + part[size] <= whole
            # about as much on either side
            assert abs(whole - part[size] - 2 * part[start]) <= 32


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_tables_of_jpeg_files(node_json, tmp_path, mode):
    image = Image.effect_noise((24, 16), 80).convert(mode)
    path = tmp_path / "photo.jpg"
    image.save(path, quality=37, progressive=mode == "RGB", exif=b"Exif\0\0" + b"\xff\xd8" * 9)
    found = node_json(
        EXTRAS
        + f"""import {{ readFileSync }} from 'node:fs';
        const tables = extras.jpegTables(readFileSync('{path}'));
        console.log(JSON.stringify(tables.map((table) => [...table])));"""
    )
    with Image.open(path) as saved:
        stored = saved.quantization  # row by row
    assert found[0] == stored[0]
    assert len(found) == len(mode)
    if mode == "RGB":
        assert found[1] == found[2] == stored[1]


def test_what_is_no_jpeg_has_no_tables(node_json):
    contents = [[], [0xFF], [0x89, 0x50, 0x4E, 0x47], [0xFF, 0xD8, 0xFF, 0xDB, 0, 67]]
    found = node_json(
        EXTRAS
        + f"""console.log(JSON.stringify({json.dumps(contents)}.map((bytes) =>
          extras.jpegTables(Uint8Array.from(bytes)))));"""
    )
    assert found == [None] * 4


def test_table_of_a_quality(node_json, tmp_path):
    qualities = [5, 20, 49, 50, 75, 95]
    found = node_json(
        EXTRAS
        + f"""console.log(JSON.stringify({qualities}.map((quality) =>
          [...extras.qualityTable(quality)])));"""
    )
    for quality, table in zip(qualities, found, strict=True):
        path = tmp_path / "photo.jpg"
        Image.new("L", (8, 8)).save(path, quality=quality)
        with Image.open(path) as saved:
            assert table == saved.quantization[0]


def test_kernels(node_json):
    found = node_json(
        EXTRAS
        + """const plain = ({ data, dims }) => ({ data: [...data], dims });
        console.log(JSON.stringify({
          gaussian: plain(extras.gaussianKernel(1.5)),
          flat: plain(extras.motionKernel(9, 0)),
          upright: plain(extras.motionKernel(9, 90)),
          picture: plain(extras.pictureKernel(
            { data: Float32Array.of(0, 1, 3, 0, 0, 0), dims: [1, 1, 2, 3] })),
        }));"""
    )
    kernels = {name: np.reshape(kernel["data"], kernel["dims"]) for name, kernel in found.items()}
    for kernel in kernels.values():
        assert kernel.sum() == pytest.approx(1, abs=1e-6)
    rows, columns = np.indices(kernels["gaussian"].shape)
    middle = rows.shape[0] // 2
    variance = (kernels["gaussian"] * (rows - middle) ** 2).sum()
    assert variance == pytest.approx(1.5**2, rel=0.03)
    assert np.allclose(kernels["flat"], kernels["upright"].T, atol=1e-7)
    rows, columns = np.indices(kernels["flat"].shape)
    middle = rows.shape[0] // 2
    assert (kernels["flat"] * (rows - middle) ** 2).sum() < 0.3
    # a line of length 9 has the variance 81 / 12
    assert (kernels["flat"] * (columns - middle) ** 2).sum() == pytest.approx(81 / 12, rel=0.15)
    assert kernels["picture"].tolist() == [[0, 0.25, 0.75], [0, 0, 0]]


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_estimate(node_json, tmp_path, channels):
    random = np.random.default_rng(0)
    ramp = np.add.outer(np.linspace(0.3, 0.6, 120), np.linspace(0, 0.2, 101))
    found = {}
    for sigma in (2, 10, 25):
        noisy = ramp + sigma / 255 * random.standard_normal((channels, 120, 101))
        np.round(255 * noisy).clip(0, 255).astype(np.float32).tofile(tmp_path / str(sigma))
        found[sigma] = node_json(
            f"""import {{ readFileSync }} from 'node:fs';
            import {{ estimateNoise }} from 'RUNTIMES/web/picture.mjs';
            const data = new Float32Array(readFileSync('{tmp_path / str(sigma)}').buffer
              .slice(0)).map((value) => value / 255);
            const dims = [1, {channels}, 120, 101];
            console.log(JSON.stringify(255 * estimateNoise(
              {{ data: data.subarray(0, {channels} * 12120), dims }})));"""
        )
    for sigma, estimate in found.items():
        assert estimate == pytest.approx(sigma, rel=0.12)
