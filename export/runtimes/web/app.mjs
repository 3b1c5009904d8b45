// The page: what the visitor chooses, and what is shown for it. Nothing here computes.

import { exponential, sigmaRange } from './exported.mjs';
import { Cancelled, Engine } from './engine.mjs';
import { gaussianKernel, jpegTables, motionKernel, pictureKernel, qualityTable } from './extras.mjs';
import { inMegapixels, middleWithin, mostPixels, sizeWithin } from './limits.mjs';
import { decode, estimateNoise, middle, scaledDown, toPixels, toPlanes } from './picture.mjs';
import { Split } from './split.mjs';

const $ = (id) => document.getElementById(id);

const TASKS = {
  gaussian: { label: 'Remove noise', example: 'denoising_noisy.png', estimate: true },
  denoising: { label: 'Remove noise', example: 'denoising_noisy.png', estimate: true },
  camera: { label: 'Remove noise of cameras', example: 'denoising_noisy.png', estimate: true },
  deconvolution: { label: 'Remove blur', example: 'deconvolution_blurred.png', estimate: true },
  'super-resolution': { label: 'Enlarge', example: 'super_resolution_small.png', sigma: 1 },
  jpeg: { label: 'Remove JPEG artefacts', example: 'jpeg_deblocking_compressed.jpg' },
  'jpeg-deblocking': { label: 'Remove JPEG artefacts', example: 'jpeg_deblocking_compressed.jpg' },
};
const taskOf = ({ task }) => {
  const name = task.replaceAll('_', '-');
  return TASKS[name] ?? { label: name, example: 'denoising_noisy.png', estimate: true };
};

// by itself the page restores again only what takes about this long
const PROMPT = { pixels: 600e3, seconds: 4 };

const ITERATIONS = 8n; // of files that leave their number open; the pipelines' own default

const engine = new Engine();
const split = new Split({
  root: $('split'), before: $('before'), after: $('after'), handle: $('handle'),
  range: $('divider'), tags: [$('tag-before'), $('tag-after')],
});
const state = {
  models: [],
  model: null, // of models, with its inputs once it is open
  picture: null, // {pixels, planes, tables, name, isExample}
  kernel: null, // from a picture of a blur
  result: null,
  running: false,
  again: false, // a setting changed while it ran
  seconds: 0, // the last run's, to judge whether to run without being asked
};

/* what is shown */

function say(text) {
  $('status').textContent = text;
  $('error').hidden = true;
}

function complain(error) {
  $('error').textContent = error.message ?? String(error);
  $('error').hidden = false;
}

/** Runs what the visitor asked for; what goes wrong is shown, not lost. */
const guarded = (action) => async (...all) => {
  try {
    await action(...all);
  } catch (error) {
    if (error instanceof Cancelled) return;
    complain(error);
  }
};

const megapixels = ([, , height, width]) => `${width} × ${height}`;
const number = (value, digits = 1) => String(Number(value.toFixed(digits)));

function where({ backend, threads }) {
  if (backend === 'webgpu') return 'WebGPU';
  return `WebAssembly, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
}

function showPassport({ passport, bytes }) {
  const psnr = passport.psnr ? Object.entries(JSON.parse(passport.psnr)).map(([set, levels]) =>
    `${set}: ${Object.entries(levels).map(([level, dB]) => `${dB} dB at ${level}`).join(', ')}`) : [];
  const range = sigmaRange(passport);
  const facts = {
    Name: `${passport.name} (${passport.prior_version})`,
    Prior: passport.prior === passport.name ? '' : passport.prior,
    Task: passport.task,
    Channels: [passport.channels, passport.channel_order].filter((x) => x !== 'any').join(', ') || 'any',
    'Noise levels': range ? `${range.map((end) => number(255 * end)).join(' to ')} (of 255)` : 'finds them itself',
    'Outside them': passport.sigma_outside,
    'Receptive field': passport.receptive_field && `${passport.receptive_field} pixels`,
    Precision: `${passport.precision}, opset ${passport.opset}`,
    Tolerance: passport.tolerance,
    'File size': `${(bytes / 1e6).toFixed(1)} MB`,
    'Trained on': passport.training_data ? JSON.parse(passport.training_data).join(', ') : '',
    PSNR: psnr.join('\n'),
    Licence: passport.licence,
    Weights: passport.weights_sha256 && `SHA-256 ${passport.weights_sha256.slice(0, 16)}…`,
  };
  $('passport').replaceChildren(...Object.entries(facts).filter(([, value]) => value)
    .flatMap(([name, value]) => [['dt', name], ['dd', value]])
    .map(([tag, text]) => Object.assign(document.createElement(tag), { textContent: text })));
}

/** Shows just the settings that this file takes. */
function showSettings() {
  const { inputs, passport } = state.model;
  const level = 'sigma' in inputs || 'noise' in inputs;
  $('noise').hidden = !level;
  $('blur').hidden = !('kernel' in inputs);
  $('jpeg').hidden = !('table' in inputs || 'tables' in inputs);
  if (level) {
    // restorations take any level up to 255; what photographs have ends far below
    const [low, high] = (sigmaRange(passport) ?? [0, 1]).map((end) => Math.min(75, 255 * end));
    const fixed = high - low < 0.5;
    const levels = fixed ? { min: low, max: high, step: 'any' }
      : { min: Math.ceil(2 * low) / 2, max: Math.floor(2 * high) / 2, step: 0.5 };
    Object.assign($('sigma'), { ...levels, disabled: fixed });
    const trained = passport.kind === 'prior' ? ` This file is trained for ${number(low)} to ${number(high)}.` : '';
    $('sigma-hint').textContent = fixed ? `This file is trained for ${number(low)} alone.`
      : `Standard deviation, of 255.${trained}`;
  }
  chooseSigma();
  showBlur();
}

/** The noise level of a new picture: estimated where that is possible. */
function chooseSigma() {
  if ($('noise').hidden || !state.picture) return;
  const { estimate, sigma = 25 } = taskOf(state.model.passport);
  const level = estimate ? 255 * estimateNoise(state.picture.planes) : sigma;
  $('sigma').value = $('sigma').disabled ? $('sigma').min : Math.max(0.5, Math.round(2 * level) / 2);
  const found = estimate && !$('sigma').disabled && Math.abs($('sigma').value - level) < 1;
  showSigma(found ? ' (estimated)' : '');
}

function showSigma(how = '') {
  $('sigma-value').textContent = number(Number($('sigma').value)) + how;
}

function showBlur() {
  const kind = $('blur-kind').value;
  $('blur-size-field').hidden = !['gaussian', 'motion'].includes(kind);
  $('blur-angle-field').hidden = kind !== 'motion';
  $('blur-size-value').textContent = `${number(Number($('blur-size').value))} pixels`;
  $('blur-angle-value').textContent = `${$('blur-angle').value}°`;
}

function showQuality() {
  const known = Boolean(state.picture?.tables);
  $('quality').disabled = known;
  $('quality-value').textContent = known ? 'read from the file' : $('quality').value;
  $('quality-hint').textContent = known ? 'Its quantisation table is known exactly.'
    : 'This is no JPEG file; say how strongly it was once compressed.';
}

/* what the visitor chooses */

async function openPicture(blob, name, isExample = false) {
  const pixels = await decode(blob);
  showPicture(pixels, jpegTables(new Uint8Array(await blob.arrayBuffer())), name, isExample);
}

function showPicture(pixels, tables, name, isExample = false) {
  const planes = toPlanes(pixels);
  state.picture = { pixels, planes, tables, name, isExample };
  state.result = null;
  $('save').disabled = true;
  split.showBefore(pixels);
  say(`${name}, ${megapixels(planes.dims)}`);
  $('blur-example').disabled = !isExample;
  if ($('blur-kind').value === 'example' && !isExample) $('blur-kind').value = 'gaussian';
  showQuality();
  if (state.model?.inputs) {
    chooseSigma();
    showBlur();
  }
}

/** False, and says what can be done, where the whole picture would not fit into memory. */
function fits() {
  const { width, height } = state.picture.pixels;
  const most = mostPixels(state.model.passport);
  $('large').hidden = width * height <= most;
  if ($('large').hidden) return true;
  say(`${state.picture.name}, ${width} × ${height}`);
  $('large-text').textContent = 'This restoration sees the whole picture at once: up to '
    + `${inMegapixels(most)} megapixels here, and this one has ${inMegapixels(width * height)}.`;
  // a JPEG file's artefacts are known by its blocks, which scaling destroys
  $('shrink').hidden = !$('jpeg').hidden;
  return false;
}

function shrink() {
  const { pixels, name } = state.picture;
  const { width, height } = sizeWithin(pixels.width, pixels.height, mostPixels(state.model.passport));
  showPicture(scaledDown(pixels, width, height), null, name);
}

function cropMiddle() {
  const { pixels, tables, name } = state.picture;
  const area = middleWithin(pixels.width, pixels.height, mostPixels(state.model.passport));
  showPicture(middle(pixels, area), tables, name);
}

async function openExample() {
  const { example } = taskOf(state.model.passport);
  await openPicture(await fetched(`examples/${example}`), 'Example', true);
  if (example.startsWith('deconvolution')) {
    state.kernel = pictureKernel(toPlanes(await decode(await fetched('examples/deconvolution_kernel.png'))));
    $('blur-kind').value = 'example';
    showBlur();
  }
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return response.blob();
}

async function openModel() {
  $('restore').disabled = true;
  const model = state.models[$('model').value];
  state.model = model;
  showPassport(model);
  $('about').textContent = '';
  $('check-result').textContent = '';
  say(`Opening ${model.passport.title}…`);
  if (!state.picture || state.picture.isExample) await openExample();
  const opened = await engine.load(model.file, $('backend').value);
  if (state.model !== model) return; // another was chosen meanwhile
  model.inputs = opened.inputs;
  $('backend-note').textContent = [`Now: ${where(opened)}.`, ...opened.notes].join(' ');
  $('about').textContent = about(model);
  showSettings();
  $('restore').disabled = false;
  say(`${state.picture.name}, ${megapixels(state.picture.planes.dims)}. Ready.`);
  await maybeRestore();
}

function about({ passport, inputs }) {
  if (passport.kind === 'restoration') {
    const parts = [`With the prior ${passport.prior}.`];
    if (!/^\d+$/.test(passport.receptive_field)) parts.push('Works on the whole picture at once.');
    return parts.join(' ');
  }
  if ('table' in inputs) return 'Restores the brightness and keeps the colours.';
  return passport.channels === '3' ? 'All colours together.' : 'Each colour channel by itself.';
}

/* the work */

function extraInputs(inputs) {
  const extra = {};
  if ('kernel' in inputs) {
    const size = Number($('blur-size').value);
    const kernels = {
      gaussian: () => gaussianKernel(size),
      motion: () => motionKernel(size, Number($('blur-angle').value)),
    };
    extra.kernel = kernels[$('blur-kind').value]?.() ?? state.kernel;
    if (!extra.kernel) throw new Error('choose a picture of the blur first');
  }
  if ('iterations' in inputs) extra.iterations = { data: BigInt64Array.of(ITERATIONS), dims: [] };
  const tables = state.picture.tables ?? [qualityTable(Number($('quality').value))];
  if ('table' in inputs) extra.table = { data: tables[0], dims: [8, 8] };
  if ('tables' in inputs) {
    const three = [0, 1, 2].map((c) => tables[c] ?? tables[0]);
    extra.tables = { data: Float32Array.from(three.flatMap((t) => [...t])), dims: [3, 8, 8] };
  }
  return extra;
}

async function maybeRestore() {
  if (!fits()) return;
  const [, , height, width] = state.picture.planes.dims;
  if (height * width > PROMPT.pixels || state.seconds > PROMPT.seconds) {
    say(`${state.picture.name}, ${width} × ${height}. Press Restore.`);
    return;
  }
  await restore();
}

async function restore() {
  if (!state.model?.inputs || !state.picture || !fits()) return;
  if (state.running) {
    state.again = true;
    return;
  }
  const { picture } = state;
  state.running = true;
  $('running').hidden = false;
  $('progress').removeAttribute('value');
  say('Restoring…');
  try {
    const result = await engine.restore(picture.planes, {
      sigma: Number($('sigma').value) / 255,
      extra: extraInputs(state.model.inputs),
      onProgress: ({ done, total }) => {
        if (total < 2) return; // one piece: nothing to say but that it runs
        Object.assign($('progress'), { max: total, value: done });
        $('status').textContent = `Restoring… tile ${Math.min(done + 1, total)} of ${total}`;
      },
    });
    if (state.picture !== picture) return;
    state.result = toPixels(result);
    state.seconds = result.seconds;
    split.showAfter(state.result);
    $('save').disabled = false;
    say(`${megapixels(result.dims)} in ${result.seconds.toFixed(2)} s on ${where(result)}`);
  } catch (error) {
    if (error instanceof Cancelled) say('Cancelled.');
    else {
      say('Not restored.');
      complain(error);
    }
  } finally {
    state.running = false;
    $('running').hidden = true;
    if (state.again) {
      state.again = false;
      await restore();
    }
  }
}

function save() {
  $('after').toBlob((blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${state.picture.name.replace(/\.\w+$/, '')}_restored.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10e3);
  }, 'image/png');
}

/* wiring */

async function takeFile(file) {
  if (!file) return;
  if (state.running) engine.cancel();
  state.seconds = 0;
  await openPicture(file, file.name || 'Picture');
  await maybeRestore();
}

function zoom(full) {
  $('split').classList.toggle('full', full);
  $('full').setAttribute('aria-pressed', full);
  $('fit').setAttribute('aria-pressed', !full);
}

function wire() {
  const on = (id, event, action) => $(id).addEventListener(event, guarded(action));
  on('choose', 'click', () => $('file').click());
  on('file', 'change', async () => {
    await takeFile($('file').files[0]);
    $('file').value = ''; // so that the same file may be chosen again
  });
  on('example', 'click', async () => {
    state.seconds = 0;
    await openExample();
    await maybeRestore();
  });
  on('model', 'change', openModel);
  on('backend', 'change', openModel);
  on('sigma', 'input', () => showSigma());
  on('sigma', 'change', maybeRestore);
  on('quality', 'input', showQuality);
  on('quality', 'change', maybeRestore);
  for (const id of ['blur-size', 'blur-angle']) {
    on(id, 'input', showBlur);
    on(id, 'change', maybeRestore);
  }
  on('blur-kind', 'change', async () => {
    const motion = $('blur-kind').value === 'motion';
    const sizes = motion ? { min: 2, max: 25, value: 9 } : { min: 0.5, max: 5, value: 1.5 };
    Object.assign($('blur-size'), sizes);
    showBlur();
    if ($('blur-kind').value === 'file') $('blur-file').click();
    else await maybeRestore();
  });
  on('blur-file', 'change', async () => {
    state.kernel = pictureKernel(toPlanes(await decode($('blur-file').files[0])));
    await maybeRestore();
  });
  on('controls', 'submit', async (event) => {
    event.preventDefault();
    await restore();
  });
  on('cancel', 'click', () => engine.cancel());
  on('shrink', 'click', async () => {
    shrink();
    await restore();
  });
  on('crop', 'click', async () => {
    cropMiddle();
    await restore();
  });
  on('save', 'click', save);
  on('fit', 'click', () => zoom(false));
  on('full', 'click', () => zoom(true));
  on('check', 'click', async () => {
    $('check-result').textContent = 'Comparing…';
    const { largest } = await engine.check();
    const { tolerance } = state.model.passport;
    $('check-result').textContent =
      `largest difference to the stored reference: ${exponential(largest)} (allowed ${tolerance})`;
  });
  document.addEventListener('paste', guarded(async (event) => {
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith('image/'));
    await takeFile(file);
  }));
  const dropping = (is) => document.body.classList.toggle('dropping', is);
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    dropping(true);
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) dropping(false);
  });
  document.addEventListener('drop', guarded(async (event) => {
    event.preventDefault();
    dropping(false);
    await takeFile(event.dataTransfer.files[0]);
  }));
}

async function start() {
  wire();
  const wanted = new URLSearchParams(location.search);
  $('backend').value = wanted.get('backend') ?? 'auto';
  const response = await fetch('models.json');
  if (!response.ok) throw new Error('models.json is missing: build the page with build.mjs');
  state.models = await response.json();
  const groups = new Map();
  for (const [index, { passport, file }] of state.models.entries()) {
    const { label } = taskOf(passport);
    if (!groups.has(label)) {
      groups.set(label, Object.assign(document.createElement('optgroup'), { label }));
    }
    const text = passport.title + (passport.precision === 'float32' ? '' : ` (${passport.precision})`);
    groups.get(label).append(new Option(text, index, false, file === wanted.get('model')));
  }
  $('model').append(...groups.values());
  const first = state.models.findIndex(({ file }) => file === wanted.get('model'));
  $('model').value = Math.max(0, first);
  await openModel();
}

guarded(start)();
