"""Opens the built page's engine in headless Chromium: its difference to each stored reference.

python check.py FOLDER NAME…       (needs the package playwright, and chromium)

FOLDER is what build.mjs made, NAME a file of its models, without `.onnx`. Says at the end what the
page's engine answers to a noise level outside the range of the first of them.
"""

import shutil
import sys
import threading

import serve
from playwright.sync_api import Error, sync_playwright

#: in the page's own modules and worker, without the page, whose first act is to restore an example
FIGURE = """async (url) => {
  const { Engine } = await import('./engine.mjs');
  const { exponential } = await import('./exported.mjs');
  const engine = new Engine();
  const { passport, backend, threads } = await engine.load(url);
  const { largest } = await engine.check();
  engine.cancel();
  const where = backend === 'wasm' ? `WebAssembly, ${threads} threads` : 'WebGPU';
  const figure = `${exponential(largest)} (allowed ${passport.tolerance})`;
  return [`largest difference to the stored reference: ${figure}, ${where}`,
    largest <= Number(passport.tolerance)];
}"""
REFUSAL = """async (url) => {
  const { Engine } = await import('./engine.mjs');
  const engine = new Engine();
  await engine.load(url);
  const image = { data: new Float32Array(12), dims: [1, 1, 3, 4] };
  try {
    await engine.restore(image, { sigma: 200 / 255 });
    return '';
  } catch (error) {
    return error.message;
  } finally {
    engine.cancel();
  }
}"""


def check(folder, names):
    """Prints a line for each file; true if all are within their tolerances."""
    passed = True
    with serve.server(folder, 0) as server, sync_playwright() as running:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        program = shutil.which("chromium")
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/style.css")
        for name in names:
            line, within = page.evaluate(FIGURE, f"models/{name}.onnx")
            passed = passed and within
            print(f"web       {name:<17} {line if within else f'FAILED: {line}'}", flush=True)
        refusal = page.evaluate(REFUSAL, f"models/{names[0]}.onnx")
        browser.close()
        server.shutdown()
    if "outside this file's range" in refusal:
        print(f"web       {'refused':<17} {refusal}")
        return passed
    print(f"web       FAILED: a noise level outside the range is not refused: {refusal}")
    return False


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        sys.exit(0 if check(sys.argv[1], sys.argv[2:]) else 1)
    except (Error, OSError) as error:
        print(f"web       FAILED: {' '.join(str(error).split())[:300]}")
        sys.exit(2)
