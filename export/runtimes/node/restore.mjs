// Restores pictures with an exported file, by onnxruntime-node.
//   node restore.mjs MODEL.onnx --check
//   node restore.mjs MODEL.onnx IN.png OUT.png --sigma 25

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import * as ort from 'onnxruntime-node';
import { PNG } from 'pngjs';

import {
  Refused, checkFeeds, checkSigma, difference, exponential, finite, firstLine, readPassport,
  readSafetensors, referenceCases,
} from './exported.mjs';

const USAGE = 'usage: node restore.mjs MODEL.onnx --check, or '
  + 'node restore.mjs MODEL.onnx IN.png OUT.png [--sigma 0..255] [--with NAME=VALUE]';

const tensor = ({ data, dims }) =>
  new ort.Tensor(data instanceof BigInt64Array ? 'int64' : 'float32', data, dims);

async function run(session, inputs, feeds, passport) {
  checkFeeds(feeds, inputs, passport);
  const entries = Object.entries(feeds).map(([name, value]) => [name, tensor(value)]);
  const { restored } = await session.run(Object.fromEntries(entries));
  if (!finite(restored.data)) throw new Refused('the result holds NaN or infinity');
  return restored;
}

async function compare(session, inputs, model, data, passport) {
  const path = model.replace(/\.onnx$/, '.reference.safetensors');
  const reference = readSafetensors(readFileSync(path));
  const { model_sha256: expected } = reference.extra;
  if (expected && expected !== createHash('sha256').update(data).digest('hex')) {
    throw new Refused(`${path} belongs to another file`);
  }
  let largest = 0;
  for (const { feeds, restored } of referenceCases(reference)) {
    const found = await run(session, inputs, feeds, passport);
    largest = Math.max(largest, difference(found, restored));
  }
  const line = `${exponential(largest)} (allowed ${passport.tolerance})`;
  console.log(`largest difference to the stored reference: ${line}`);
  return largest <= Number(passport.tolerance) ? 0 : 1;
}

function decodePng(path) {
  const bytes = readFileSync(path);
  try {
    return PNG.sync.read(bytes);
  } catch (error) {
    throw new Refused(`${path}: not a PNG, or cut off (${firstLine(error)})`);
  }
}

/** `[1, C, H, W]` in [0, 1]; gray where the file takes one channel or the picture has no colour. */
function readPicture(path, channels) {
  const { width, height, data } = decodePng(path); // 8-bit RGBA, whatever it was
  const area = width * height;
  const isGray = data.every((value, i) => i % 4 === 3 || value === data[i - (i % 4)]);
  const count = channels === '1' || (isGray && channels !== '3') ? 1 : 3;
  const planes = new Float32Array(count * area);
  for (let i = 0; i < area; i++) {
    const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
    if (count === 1) planes[i] = isGray ? red / 255 : luma(red, green, blue) / 255;
    else [planes[i], planes[area + i], planes[2 * area + i]] = [red / 255, green / 255, blue / 255];
  }
  return { data: planes, dims: [1, count, height, width] };
}

const luma = (red, green, blue) => Math.round(0.299 * red + 0.587 * green + 0.114 * blue);

function writePicture(path, { data, dims: [, count, height, width] }) {
  const png = new PNG({ width, height });
  const area = width * height;
  for (let i = 0; i < 4 * area; i++) {
    const channel = i % 4;
    const value = data[(count === 1 ? 0 : channel * area) + (i >> 2)];
    png.data[i] = channel === 3 ? 255 : Math.round(255 * Math.min(1, Math.max(0, value)));
  }
  writeFileSync(path, PNG.sync.write(png, { colorType: count === 1 ? 0 : 2 }));
}

/** `NAME=FILE` (rows of numbers) or `NAME=NUMBER`, for inputs besides picture and noise. */
function extraInput(setting, inputs) {
  const [name, value = ''] = setting.split(/=(.*)/s);
  if (!(name in inputs)) {
    throw new Refused(`--with ${setting}: the graph takes ${Object.keys(inputs).sort()}`);
  }
  if (inputs[name] === 0) {
    if (!/^[0-9]{1,9}$/.test(value)) {
      throw new Refused(`--with ${setting}: no whole number of up to nine digits`);
    }
    return [name, { data: BigInt64Array.of(BigInt(value)), dims: [] }];
  }
  const refuse = (why) => {
    throw new Refused(`--with ${setting}: ${why}`);
  };
  const rows = readFileSync(value, 'utf8').split(/\r?\n/).map((row) => row.trim())
    .filter(Boolean).map((row) => row.split(/\s+/));
  if (!rows.length) refuse('no numbers');
  if (rows.some((row) => row.length !== rows[0].length)) refuse('rows of different lengths');
  const wrong = rows.flat().find((word) => !Number.isFinite(Math.fround(Number(word))));
  if (wrong !== undefined) refuse(`${wrong} is no number, or holds NaN or infinity`);
  let dims = [rows.length, rows[0].length];
  if (inputs[name] === 3) {
    if (dims[0] % 8 || dims[1] !== 8) {
      refuse(`${dims.join(' x ')} numbers are no tables, which have 8 rows of 8 each`);
    }
    dims = [dims[0] / 8, 8, 8];
  }
  return [name, { data: Float32Array.from(rows.flat(), Number), dims }];
}

/** A noise level in units of 0..255; what checkSigma refuses may come of `nan` and `inf`. */
function levelOf(text) {
  const level = /^\s*$/.test(text) ? NaN : Number(text);
  if (Number.isNaN(level) && text.toLowerCase() !== 'nan') {
    throw new Refused(`--sigma ${text} is no number`);
  }
  return level;
}

async function restore(session, inputs, passport, [input, output], options) {
  // a JPEG file's luminance table is for its luminance
  const x = readPicture(input, 'table' in inputs ? '1' : passport.channels);
  const extra = (options.with ?? []).map((each) => extraInput(each, inputs));
  const feeds = { x, ...Object.fromEntries(extra) };
  const level = ['sigma', 'noise'].find((name) => name in inputs);
  if (level) {
    if (options.sigma === undefined) {
      throw new Refused('this file needs a noise level: --sigma, in units of 0..255');
    }
    const sigma = levelOf(options.sigma) / 255;
    checkSigma(sigma, passport);
    const [, , height, width] = x.dims;
    const dims = inputs[level] === 4 ? [1, 1, height, width] : [1];
    const count = dims.reduce((a, b) => a * b);
    feeds[level] = { data: new Float32Array(count).fill(sigma), dims };
  } else if (options.sigma !== undefined) {
    throw new Refused('this file is blind: it takes no --sigma');
  }
  const begin = performance.now();
  const restored = await run(session, inputs, feeds, passport);
  const seconds = ((performance.now() - begin) / 1000).toFixed(2);
  writePicture(output, restored);
  const [, , height, width] = restored.dims;
  const engine = `onnxruntime-node ${ort.env.versions.node} (cpu)`;
  console.log(`${output}: ${width} x ${height} in ${seconds} s by ${engine}`);
  return 0;
}

async function main() {
  let options, positionals;
  try {
    ({ values: options, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        check: { type: 'boolean' },
        sigma: { type: 'string' },
        with: { type: 'string', multiple: true },
      },
    }));
  } catch (error) {
    throw new Refused(`${firstLine(error)}; ${USAGE}`);
  }
  const [model, ...pictures] = positionals;
  if (!model || (!options.check && pictures.length !== 2)) throw new Refused(USAGE);
  const data = readFileSync(model);
  const passport = readPassport(data);
  const session = await ort.InferenceSession.create(data, { logSeverityLevel: 4 });
  const inputs = Object.fromEntries(session.inputMetadata.map(({ name, shape }) =>
    [name, shape.length]));
  return options.check
    ? compare(session, inputs, model, data, passport)
    : restore(session, inputs, passport, pictures, options);
}

try {
  process.exitCode = await main();
} catch (error) {
  const where = error.message?.includes('usage:') ? '' : `${process.argv[2]}: `;
  console.error(`error: ${where}${firstLine(error)}`);
  process.exitCode = 2;
}
