// Runs exported files away from the page, so that it stays responsive. Messages: {id, task, ...} in,
// {id, result | error | progress} out. Whoever cancels ends this worker and starts another.

import {
  Refused, checkFeeds, checkSigma, difference, finite, firstLine, readPassport, readSafetensors,
  referenceCases,
} from './exported.mjs';
import { inMegapixels, mostPixels } from './limits.mjs';
import { crop, paste, planTiles } from './tiles.mjs';

// cores of tiles: large enough that borders cost little, small enough for a moving progress bar
const CORE = 384;
// WebGPU sums in another order and takes short cuts in functions: an eighth of a gray level
const WEBGPU_TOLERANCE = 5e-4;

const BACKENDS = {
  webgpu: async () => {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) throw new Error('this browser offers no WebGPU');
    return import('./ort/ort.webgpu.min.mjs');
  },
  wasm: () => import('./ort/ort.wasm.min.mjs'),
};

let model = null; // what is loaded: {ort, session, inputs, passport, backend, threads, reference, digest}

const threads = () =>
  self.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency || 1) : 1;

async function fetchBytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Refused(`${url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** SHA-256 in hexadecimal; '' where the page did not come by https or from this machine. */
async function sha256(bytes) {
  const digest = await self.crypto.subtle?.digest('SHA-256', bytes);
  return digest ? Array.from(new Uint8Array(digest), (byte) =>
    byte.toString(16).padStart(2, '0')).join('') : '';
}

/** A software adapter is slower than wasm; by itself the page takes a real one only. */
async function worthTrying() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  const software = adapter?.isFallbackAdapter || adapter?.info?.isFallbackAdapter
    || /swiftshader|llvmpipe/i.test(adapter?.info?.description + adapter?.info?.architecture);
  return Boolean(adapter) && !software;
}

async function load({ url, backend: wanted }) {
  model = null;
  const bytes = await fetchBytes(url);
  const passport = readPassport(bytes);
  const notes = [];
  const candidates = wanted !== 'auto' ? [wanted]
    : [...((await worthTrying()) ? ['webgpu'] : []), 'wasm'];
  const reference = url.replace(/\.onnx$/, '.reference.safetensors');
  const digest = await sha256(bytes);
  for (const backend of candidates) {
    try {
      const opened = { ...(await open(bytes, backend)), passport, reference, digest };
      if (backend === 'webgpu') {
        const off = await largestDifference(opened);
        if (!(off <= WEBGPU_TOLERANCE)) {
          throw new Error(`WebGPU gives another result here (${off.toExponential(1)} off)`);
        }
      }
      model = opened;
      const { inputs, threads: count } = model;
      return { inputs, passport, backend, threads: count, notes };
    } catch (error) {
      notes.push(firstLine(error));
    }
  }
  throw new Refused(`cannot be opened: ${notes.join('; ')}`);
}

async function open(bytes, backend) {
  const ort = await BACKENDS[backend]();
  ort.env.wasm.wasmPaths = new URL('./ort/', import.meta.url).href;
  ort.env.wasm.numThreads = threads();
  ort.env.logLevel = 'error';
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [backend] });
  const inputs = Object.fromEntries(
    session.inputMetadata.map(({ name, shape }) => [name, shape.length]));
  return { ort, session, inputs, backend, threads: backend === 'wasm' ? threads() : 0 };
}

async function run({ ort, session, inputs, passport }, feeds) {
  checkFeeds(feeds, inputs, passport);
  const tensors = Object.entries(feeds).map(([name, { data, dims }]) => {
    const type = data instanceof BigInt64Array ? 'int64' : 'float32';
    return [name, new ort.Tensor(type, data, dims)];
  });
  const { restored } = await session.run(Object.fromEntries(tensors));
  if (!finite(restored.data)) throw new Refused('the result holds NaN or infinity');
  return { data: restored.data, dims: [...restored.dims] };
}

async function largestDifference(opened) {
  const stored = readSafetensors(await fetchBytes(opened.reference));
  const { model_sha256: expected } = stored.extra;
  if (expected && opened.digest && expected !== opened.digest) {
    throw new Refused(`${opened.reference} belongs to another file`);
  }
  let largest = 0;
  for (const { feeds, restored } of referenceCases(stored)) {
    largest = Math.max(largest, difference(await run(opened, feeds), restored));
  }
  return largest;
}

/** Restores `image` `[1, 1 | 3, H, W]`; `sigma` in [0, 1] units; `extra` inputs by name. */
async function restore({ image, sigma, extra }, progress) {
  if (!model) throw new Refused('no model is loaded');
  const { passport, inputs } = model;
  const level = ['sigma', 'noise'].find((name) => name in inputs);
  if (level) checkSigma(sigma, passport);
  const begin = performance.now();
  const { x, back } = arrange(image, passport, inputs);
  // a restoration sees the whole picture, even where its prior's halo is stated
  const most = mostPixels(passport);
  const cuts = most === Infinity;
  const [, , height, width] = x.dims;
  if (height * width > most) {
    throw new Refused(`${width} × ${height} is too large for this file: ${inMegapixels(most)} megapixels`);
  }
  const whole = { top: 0, left: 0, bottom: height, right: width };
  const unit = 8 * (Number(passport.size_multiple) || 1);
  const tiles = cuts ? planTiles(height, width, { core: CORE, halo: Number(passport.halo), unit })
    : [{ ...whole, read: whole }];
  let target = null;
  let scale = 1;
  progress(0, tiles.length);
  for (const [done, tile] of tiles.entries()) {
    const part = crop(x, tile.read);
    const feeds = { x: part, ...extra };
    if (level) feeds[level] = noise(sigma, inputs[level], level, part.dims);
    const restored = await run(model, feeds);
    if (!target) {
      const [n, c, h] = restored.dims;
      scale = h / part.dims[2];
      const size = n * c * height * width * scale * scale;
      target = { data: new Float32Array(size), dims: [n, c, height * scale, width * scale] };
    }
    paste(target, restored, tile, scale);
    progress(done + 1, tiles.length);
  }
  const restored = back(target);
  const seconds = (performance.now() - begin) / 1000;
  const { backend, threads: count } = model;
  return { ...restored, seconds, backend, threads: count, tiles: tiles.length };
}

function noise(sigma, rank, name, [n, , height, width]) {
  const dims = { 0: [], 1: [name === 'noise' ? 1 : n], 4: [n, 1, height, width] }[rank];
  return { data: new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(sigma), dims };
}

/** The picture as the file takes it, and the way back. */
function arrange(image, passport, inputs) {
  const [, channels, height, width] = image.dims;
  const area = height * width;
  if ('table' in inputs && channels === 3) return luminance(image);
  if (passport.channels === '3' && channels === 1) {
    const data = new Float32Array(3 * area);
    for (let c = 0; c < 3; c++) data.set(image.data, c * area);
    return { x: { data, dims: [1, 3, height, width] }, back: (restored) => restored };
  }
  if (passport.channels === '1' && channels === 3) { // each channel by itself
    const back = ({ data, dims: [, , h, w] }) => ({ data, dims: [1, 3, h, w] });
    return { x: { data: image.data, dims: [3, 1, height, width] }, back };
  }
  return { x: image, back: (restored) => restored };
}

/** JPEG stores brightness and colour apart; the brightness is restored, the colour kept. */
function luminance({ data, dims: [, , height, width] }) {
  const area = height * width;
  const luma = new Float32Array(area);
  for (let i = 0; i < area; i++) {
    luma[i] = 0.299 * data[i] + 0.587 * data[area + i] + 0.114 * data[2 * area + i];
  }
  const back = (restored) => {
    const found = new Float32Array(3 * area);
    for (let i = 0; i < 3 * area; i++) found[i] = data[i] + restored.data[i % area] - luma[i % area];
    return { data: found, dims: [1, 3, height, width] };
  };
  return { x: { data: luma, dims: [1, 1, height, width] }, back };
}

const TASKS = {
  load,
  restore,
  check: async () => ({ largest: await largestDifference(model), backend: model.backend }),
};

self.onmessage = async ({ data: { id, task, ...request } }) => {
  const progress = (done, total) => self.postMessage({ id, progress: { done, total } });
  try {
    const result = await TASKS[task](request, progress);
    self.postMessage({ id, result }, result.data ? [result.data.buffer] : []);
  } catch (error) {
    self.postMessage({ id, error: firstLine(error) });
  }
};
