// Puts the page together in one folder that any static server can serve.
//   node build.mjs --models DIR --out DIR [--ort node_modules/onnxruntime-web]
// Models are the *.onnx of a folder with their *.reference.safetensors; models.json is made from
// their passports.

import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { readPassport } from '../node/exported.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const PAGE = [
  'index.html', 'style.css', 'app.mjs', 'picture.mjs', 'split.mjs', 'engine.mjs', 'worker.mjs',
  'tiles.mjs', 'extras.mjs', 'limits.mjs', '../node/exported.mjs',
];
// the WebGPU build has a wasm file of its own; ort.all gives wrong results there
const RUNTIME = [
  'ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm',
  'ort.webgpu.min.mjs', 'ort-wasm-simd-threaded.asyncify.mjs', 'ort-wasm-simd-threaded.asyncify.wasm',
];
const EXAMPLES = [
  'denoising_noisy.png', 'deconvolution_blurred.png', 'deconvolution_kernel.png',
  'super_resolution_small.png', 'jpeg_deblocking_compressed.jpg',
];
const FIRST = ['ffdnet-color', 'ffdnet-gray', 'genericdp']; // what a visitor should meet first

export function build({ models, out, ort }) {
  mkdirSync(join(out, 'models'), { recursive: true });
  for (const file of PAGE) cpSync(join(HERE, file), join(out, basename(file)));
  for (const file of RUNTIME) cpSync(join(ort, 'dist', file), join(out, 'ort', file));
  const examples = resolve(HERE, '../../../pipelines/examples');
  for (const file of EXAMPLES) cpSync(join(examples, file), join(out, 'examples', file));
  const listed = [];
  for (const file of readdirSync(models).filter((name) => name.endsWith('.onnx')).sort()) {
    const path = join(models, file);
    const reference = path.replace(/\.onnx$/, '.reference.safetensors');
    if (!existsSync(reference)) throw new Error(`${reference}: missing; export ${file} anew`);
    let passport;
    try {
      passport = readPassport(readFileSync(path));
    } catch (error) {
      throw new Error(`${path}: ${error.message}`);
    }
    for (const each of [path, reference]) cpSync(each, join(out, 'models', basename(each)));
    listed.push({ file: `models/${file}`, bytes: statSync(path).size, passport });
  }
  if (!listed.length) throw new Error(`${models}: holds no .onnx file`);
  const rank = ({ passport }) => FIRST.indexOf(passport.name) + 1 || FIRST.length + 1;
  listed.sort((a, b) => rank(a) - rank(b));
  writeFileSync(join(out, 'models.json'), `${JSON.stringify(listed, null, 1)}\n`);
  return listed.length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      models: { type: 'string' },
      out: { type: 'string', default: 'dist' },
      ort: { type: 'string', default: join(HERE, 'node_modules/onnxruntime-web') },
    },
  });
  try {
    if (!values.models) throw new Error('--models DIR: a folder of exported .onnx files');
    console.log(`${values.out}: ${build(values)} models`);
  } catch (error) {
    console.error(`error: ${error.message}`);
    process.exit(2);
  }
}
