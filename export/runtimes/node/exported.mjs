// What JavaScript consumers of an exported file need, in Node and in browsers alike: the passport,
// the reference cases, and the checks before a run. No dependencies.

export class Refused extends Error {}

const broken = () => new Refused('not an ONNX file, or cut off');

/** The string properties of a serialised ONNX ModelProto (Uint8Array): field 14, key and value.
 *  Only the outermost fields are walked, so the graph is skipped in one step. */
export function metadata(data) {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const found = {};
  for (const { number, wire, start, end } of fields(data, 0, data.length)) {
    if (number !== 14 || wire !== 2) continue;
    const entry = {};
    for (const part of fields(data, start, end)) {
      if (part.wire !== 2) continue;
      try {
        entry[part.number] = decoder.decode(data.subarray(part.start, part.end));
      } catch {
        throw broken();
      }
    }
    found[entry[1] ?? ''] = entry[2] ?? '';
  }
  return found;
}

function* fields(data, at, stop) {
  const varint = () => {
    let value = 0;
    for (let factor = 1; at < stop && factor < 2 ** 63; factor *= 128) {
      const byte = data[at++];
      value += (byte & 127) * factor; // not <<, which would stop at 32 bits
      if (byte < 128) return value;
    }
    throw broken();
  };
  while (at < stop) {
    const tag = varint();
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    const size = { 0: () => (varint(), 0), 1: () => 8, 2: varint, 5: () => 4 }[wire];
    if (!size || number === 0) throw broken();
    const length = size();
    if (at + length > stop) throw broken();
    yield { number, wire, start: at, end: at + length };
    at += length;
  }
}

export function readPassport(data) {
  const passport = metadata(data);
  if (passport.passport !== '1') {
    throw new Refused('no passport in this file (metadata property passport=1); export it anew');
  }
  for (const key of ['channels', 'sigma_range', 'tolerance']) {
    if (!(key in passport)) throw new Refused(`passport without ${key}`);
  }
  const { sigma_range: range, tolerance } = passport;
  const ends = parsed(range || '[0, 1]'); // empty: any
  if (!Array.isArray(ends) || ends.length !== 2 || !ends.every(Number.isFinite) || ends[0] > ends[1]) {
    throw new Refused(`passport: sigma_range ${range} is no range`);
  }
  const most = parsed(tolerance);
  if (!Number.isFinite(most) || most < 0) {
    throw new Refused(`passport: tolerance ${tolerance} is no tolerance`);
  }
  return passport;
}

/** JSON; null for what is none. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const ARRAYS = {
  F32: Float32Array, F64: Float64Array, I64: BigInt64Array, I32: Int32Array, U8: Uint8Array,
};

/** Tensors `{name: {data, dims}}` and metadata of a .safetensors file (Uint8Array). */
export function readSafetensors(bytes) {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const base = 8 + Number(view.getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, base)));
    const { __metadata__: extra = {}, ...rest } = header;
    const tensors = {};
    for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(rest)) {
      if (base + to > bytes.length) throw new RangeError(`${name} passes the end of the file`);
      // the copy starts at a multiple of the number's size; a Buffer's slice would be a view
      const data = new ARRAYS[dtype](new Uint8Array(bytes.subarray(base + from, base + to)).buffer);
      if (data.length !== shape.reduce((a, b) => a * b, 1)) throw new RangeError(`size of ${name}`);
      tensors[name] = { data, dims: shape };
    }
    return { tensors, extra };
  } catch (error) {
    throw new Refused(`not a safetensors file, or cut off (${firstLine(error)})`);
  }
}

/** The cases of a reference file: `[{feeds: {name: tensor}, restored: tensor}]`. */
export function referenceCases({ tensors }) {
  const cases = {};
  for (const [path, tensor] of Object.entries(tensors)) {
    const [name, input] = path.split('/');
    cases[name] ??= { feeds: {} };
    if (input === 'restored') cases[name].restored = tensor;
    else cases[name].feeds[input] = tensor;
  }
  const all = Object.values(cases);
  if (!all.length || all.some(({ restored }) => !restored)) throw new Refused('a case has no output');
  return all;
}

/** [low, high] in [0, 1] units, or null where the passport names no range. */
export const sigmaRange = (passport) =>
  passport.sigma_range ? JSON.parse(passport.sigma_range) : null;

const brief = (value) => String(Number(value.toPrecision(6)));

/** Refuses what the graph was not made for, before it runs.
 *  @param inputs `{name: number of dimensions}` */
export function checkFeeds(feeds, inputs, passport) {
  const names = Object.keys(feeds).sort().join();
  if (names !== Object.keys(inputs).sort().join()) {
    throw new Refused(`inputs ${names}; the graph takes ${Object.keys(inputs).sort()}`);
  }
  for (const [name, { data, dims }] of Object.entries(feeds)) {
    if (dims.length !== inputs[name] || dims.includes(0)) {
      throw new Refused(`${name} is of shape [${dims}]; ${inputs[name]} dimensions are needed`);
    }
    if (!finite(data)) throw new Refused(`${name} holds NaN or infinity`);
  }
  const channels = feeds.x.dims[1];
  if (!['any', String(channels)].includes(passport.channels)) {
    throw new Refused(`x has ${channels} channels; this file takes ${passport.channels}`);
  }
}

/** Refuses a noise level (in [0, 1] units) that the file was not trained for. */
export function checkSigma(sigma, passport) {
  if (!Number.isFinite(sigma)) throw new Refused('sigma nan or infinite');
  const range = sigmaRange(passport);
  // slack for ends rounded to float32
  if (!range || (sigma >= range[0] - 1e-6 && sigma <= range[1] + 1e-6)) return;
  const [level, low, high] = [sigma, ...range].map((each) => brief(255 * each));
  throw new Refused(`sigma ${level} of 255 is outside this file's range, ${low} to ${high}`);
}

export const finite = (data) => data instanceof BigInt64Array || data.every(Number.isFinite);

/** Largest absolute difference of two tensors of one shape. */
export function difference(found, stored) {
  if (String(found.dims) !== String(stored.dims)) {
    throw new Refused(`shape [${found.dims}], stored [${stored.dims}]`);
  }
  return found.data.reduce((most, value, i) => Math.max(most, Math.abs(value - stored.data[i])), 0);
}

/** 1.2e-07, as C and Python write it. */
export const exponential = (value) =>
  value.toExponential(1).replace(/e([+-])(\d)$/, 'e$10$2');

export const firstLine = (error) =>
  String(error?.message ?? error).replace(/\s+/g, ' ').trim().slice(0, 300);
