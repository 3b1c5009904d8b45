// The page's side of worker.mjs: promises in place of messages, and a way to cancel.

export class Cancelled extends Error {}

export class Engine {
  #worker = null;
  #waiting = new Map();
  #count = 0;
  #loaded = null; // what to load again after a cancelled run

  /** Opens a file; `{inputs, passport, backend, threads, notes}`. */
  async load(url, backend = 'auto') {
    this.#stop();
    this.#loaded = null;
    const about = await this.#ask('load', { url, backend });
    this.#loaded = { url, backend };
    return about;
  }

  /** Restores `[1, C, H, W]` in [0, 1]; `{data, dims, seconds, backend, threads, tiles}`. */
  async restore(image, { sigma, extra = {}, onProgress } = {}) {
    if (!this.#worker && this.#loaded) await this.#ask('load', this.#loaded);
    return this.#ask('restore', { image, sigma, extra }, onProgress);
  }

  /** Largest difference to the reference stored beside the file. */
  async check() {
    if (!this.#worker && this.#loaded) await this.#ask('load', this.#loaded);
    return this.#ask('check', {});
  }

  /** Ends whatever runs, at once: its promise is rejected with `Cancelled`. */
  cancel() {
    this.#stop();
  }

  get busy() {
    return this.#waiting.size > 0;
  }

  #stop() {
    this.#worker?.terminate();
    this.#worker = null;
    for (const { reject } of this.#waiting.values()) reject(new Cancelled('cancelled'));
    this.#waiting.clear();
  }

  #ask(task, request, onProgress) {
    this.#worker ??= this.#start();
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, onProgress });
      this.#worker.postMessage({ id, task, ...request });
    });
  }

  #start() {
    const worker = new Worker(new URL('./worker.mjs', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data: { id, result, error, progress } }) => {
      const waiting = this.#waiting.get(id);
      if (!waiting) return;
      if (progress) {
        waiting.onProgress?.(progress);
        return;
      }
      this.#waiting.delete(id);
      if (error) waiting.reject(new Error(error));
      else waiting.resolve(result);
    };
    worker.onerror = (event) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(event.message || 'the worker could not be started'));
      }
      this.#waiting.clear();
    };
    return worker;
  }
}
