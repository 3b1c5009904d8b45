"""The page in headless Chromium: it computes what torch computes, and uploads nothing."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import io
import shutil
import subprocess
import threading

import numpy as np
import pytest
from PIL import Image

from .conftest import (
    PASSPORT,
    RUNTIMES,
    missing,
    smoothed,
    tiny_jpeg,
    tiny_prior,
    tiny_restoration,
    tool_folder,
    write_reference,
)
from .conftest import cases as tiny_cases

EXAMPLE = RUNTIMES.parents[1] / "pipelines" / "examples" / "denoising_noisy.png"
PATIENCE = 120e3  # milliseconds; loading the runtime on a busy machine


@pytest.fixture(scope="module")
def playwright():
    try:
        module = importlib.import_module("playwright.sync_api")
    except ImportError:
        missing("web", "the package playwright is not installed")
    program = shutil.which("chromium")
    if program is None:
        missing("web", "chromium is not installed")
    with module.sync_playwright() as running:
        arguments = ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
        browser = running.chromium.launch(executable_path=program, args=arguments)
        browser.expect = module.expect
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def models(ffdnet, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for file in ffdnet.parent.glob("ffdnet-gray.*"):
        shutil.copy(file, folder)
    tiny = tiny_prior(folder / "tiny.onnx", {**PASSPORT, "channels": "3"})
    write_reference(tiny, tiny_cases(channels=3))
    whole = {**PASSPORT, "kind": "restoration", "receptive_field": "whole image"}
    blur = tiny_restoration(folder / "blur.onnx", {**whole, "task": "deconvolution"})
    write_reference(blur, {"0/restored": np.zeros((1, 1, 1, 1), np.float32)})
    jpeg = {**PASSPORT, "task": "jpeg", "sigma_range": "", "title": "Tiny, for JPEG"}
    write_reference(
        tiny_jpeg(folder / "jpeg.onnx", jpeg), {"0/restored": np.zeros((1, 1, 1, 1), np.float32)}
    )
    return folder


@pytest.fixture(scope="module")
def address(playwright, models, tmp_path_factory):
    """The page, built and served."""
    folder = tool_folder("web") or RUNTIMES / "web"
    runtime = folder / "node_modules" / "onnxruntime-web"
    if shutil.which("node") is None or not runtime.is_dir():
        missing("web", "node or its package onnxruntime-web is not installed")
    out = tmp_path_factory.mktemp("page")
    arguments = ["--models", models, "--ort", runtime, "--out", out]
    done = subprocess.run(
        ["node", RUNTIMES / "web" / "build.mjs", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    path = RUNTIMES / "web" / "serve.py"
    spec = importlib.util.spec_from_file_location("_serve", path)
    serve = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(serve)
    with serve.server(str(out), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture
def page(playwright, address):
    """A page of its own; every request outside the server, and every script error, fails."""
    context = playwright.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    requests, errors = [], []
    page.on("request", lambda request: requests.append((request.method, request.url)))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.requests = requests
    yield page
    context.close()
    assert not errors
    for method, url in requests:
        assert method == "GET"  # nothing is sent anywhere
        assert url.startswith((address, "blob:", "data:"))


ENGINE = """([model, backend, pixels, dims, sigma, patience]) => Promise.race([(async () => {
  const { Engine } = await import('./engine.mjs');
  const engine = new Engine();
  const about = await engine.load(model, backend);
  const bytes = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
  const image = { data: new Float32Array(bytes.buffer), dims };
  const tiles = [];
  const found = await engine.restore(image, { sigma, onProgress: ({ done }) => tiles.push(done) });
  const { largest } = await engine.check();
  let text = '';
  for (const byte of new Uint8Array(found.data.buffer)) text += String.fromCharCode(byte);
  engine.cancel();
  return { ...found, data: btoa(text), progress: tiles, largest, isolated: crossOriginIsolated };
})(), new Promise((_, reject) => setTimeout(() => reject(new Error('too slow')), patience))])"""


def compute(page, address, x, sigma, model="models/ffdnet-gray.onnx", backend="wasm"):
    """What the page's engine makes of `x` [1, C, H, W]: the array, and what it says of the run."""
    # an empty document of the same origin, so that the page's own first run does not compete
    page.goto(f"{address}style.css")
    text = base64.b64encode(np.ascontiguousarray(x, np.float32).tobytes()).decode()
    found = page.evaluate(ENGINE, [model, backend, text, list(x.shape), sigma, PATIENCE])
    data = np.frombuffer(base64.b64decode(found.pop("data")), np.float32)
    return data.reshape(found["dims"]), found


def by_torch(x, sigma):
    import torch

    import pnp_priors

    with torch.no_grad():
        return pnp_priors.load("ffdnet-gray")(torch.tensor(x), sigma).numpy()


def real_picture(size):
    with Image.open(EXAMPLE) as image:
        pixels = np.asarray(image.convert("RGB").crop((0, 0, *size)))
    return pixels.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)


def test_a_real_picture_as_torch_restores_it(page, address):
    x = real_picture((96, 75))
    found, about = compute(page, address, x, 25 / 255)
    assert np.abs(found - by_torch(x, 25 / 255)).max() <= 2e-6
    assert about["isolated"]
    assert about["backend"] == "wasm"
    assert about["threads"] >= 1
    assert about["largest"] <= 2e-6


def test_a_large_picture_in_tiles_as_torch_restores_the_whole(page, address):
    x = np.tile(real_picture((256, 256))[:, :1], (1, 1, 1, 2))[:, :, :50, :430]
    found, about = compute(page, address, x, 15 / 255)
    assert about["tiles"] == 2
    assert about["progress"] == [0, 1, 2]
    assert np.abs(found - by_torch(x, 15 / 255)).max() <= 2e-6


def test_webgpu(page, address):
    """On a software adapter, which a page by itself would not take: right, but slow to start."""
    page.goto(f"{address}style.css")
    adapter = "async () => Boolean(await navigator.gpu?.requestAdapter())"
    if not page.evaluate(adapter):
        pytest.skip("this Chromium offers no WebGPU adapter here")
    x = real_picture((40, 24))
    try:
        found, about = compute(page, address, x, 0.1, "models/tiny.onnx", "webgpu")
    except Exception as error:
        if "too slow" in str(error):
            pytest.skip(f"WebGPU by software takes more than {PATIENCE / 1000:g} s here")
        raise
    assert about["backend"] == "webgpu"
    assert np.abs(found - smoothed(x, np.array([0.1]))).max() <= 2e-6


def finished(page, browser, text=" s on WebAssembly"):
    browser.expect(page.locator("#status")).to_contain_text(text, timeout=PATIENCE)


def test_a_visitor(page, address, playwright, tmp_path):
    """Opens a picture, moves slider and divider, saves: the file is what torch makes of it."""
    page.goto(f"{address}?backend=wasm")
    finished(page, playwright)
    assert page.locator("#error").is_hidden()
    assert "not uploaded" in page.inner_text("header")

    path = tmp_path / "photo.png"
    x = real_picture((64, 49))
    Image.fromarray(np.round(255 * x[0].transpose(1, 2, 0)).astype(np.uint8)).save(path)
    page.locator("#file").set_input_files(path)
    finished(page, playwright, "64 × 49 in")
    level = float(page.input_value("#sigma"))
    assert 18 <= level <= 32  # estimated; it is 25

    page.locator("#sigma").fill("30")
    page.locator("#sigma").dispatch_event("change")
    page.locator("#restore").click()
    finished(page, playwright, "64 × 49 in")
    with page.expect_download() as download:
        page.locator("#save").click()
    assert download.value.suggested_filename == "photo_restored.png"
    saved = io.BytesIO(download.value.path().read_bytes())
    pixels = np.asarray(Image.open(saved).convert("RGB"))
    wanted = 255 * by_torch(x, 30 / 255)[0].transpose(1, 2, 0)
    assert np.abs(pixels - np.clip(wanted, 0, 255)).max() <= 0.51

    page.locator("#divider").focus()
    page.keyboard.press("End")
    assert (
        page.evaluate("document.getElementById('split').style.getPropertyValue('--at')") == "100%"
    )
    box = page.locator("#split").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 3)
    page.mouse.up()
    assert page.input_value("#divider") == "25"

    page.locator("summary", has_text="Passport").click()
    assert "Berkeley" in page.inner_text("#passport")
    page.locator("#check").click()
    playwright.expect(page.locator("#check-result")).to_contain_text(
        "largest difference to the stored reference", timeout=PATIENCE
    )


def shown(page, canvas="after"):
    """The pixels of a canvas, [H, W, 3]."""
    found = page.evaluate(
        """(id) => {
          const canvas = document.getElementById(id);
          const { data, width, height } = canvas.getContext('2d')
            .getImageData(0, 0, canvas.width, canvas.height);
          return [height, width, [...data]];
        }""",
        canvas,
    )
    return np.reshape(found[2], (found[0], found[1], 4))[..., :3]


def test_blur_is_asked_for(page, address, playwright):
    """restored = x + noise + 8 / 8: the kernel sums to one, and all is white."""
    page.goto(f"{address}?backend=wasm&model=models/blur.onnx")
    finished(page, playwright)
    assert page.locator("#blur").is_visible()
    assert page.locator("#jpeg").is_hidden()
    assert (shown(page) == 255).all()
    page.select_option("#blur-kind", "motion")
    assert page.locator("#blur-angle").is_visible()
    page.locator("#restore").click()
    finished(page, playwright)


def test_a_picture_too_large_for_a_whole_restoration(page, address, playwright, tmp_path):
    """It is said before anything runs, and either way out of it restores."""
    page.goto(f"{address}?backend=wasm&model=models/blur.onnx")
    finished(page, playwright)
    path = tmp_path / "large.png"
    Image.new("L", (2000, 1500), 40).save(path)
    for button, size in (("#shrink", "1632 × 1224"), ("#crop", "1632 × 1224")):
        page.locator("#file").set_input_files(path)
        playwright.expect(page.locator("#large-text")).to_contain_text(
            "up to 2.0 megapixels here, and this one has 3.0", timeout=PATIENCE
        )
        page.locator("#restore").click()  # still too large
        assert page.locator("#large").is_visible()
        assert page.locator("#save").is_disabled()
        page.locator(button).click()
        finished(page, playwright, f"{size} in")
        assert page.locator("#large").is_hidden()
    message = page.evaluate(
        """async () => {
          const { Engine } = await import('./engine.mjs');
          const engine = new Engine();
          await engine.load('models/blur.onnx', 'wasm');
          const image = { data: new Float32Array(3e6), dims: [1, 1, 1500, 2000] };
          try { await engine.restore(image, { sigma: 0.1 }); return ''; } catch (error) {
            return error.message;
          }
        }"""
    )
    assert "too large for this file" in message


def test_jpeg_table_comes_from_the_file(page, address, playwright):
    """restored = luminance + table[1, 0] / 256, colours kept."""
    page.goto(f"{address}?backend=wasm&model=models/jpeg.onnx")
    finished(page, playwright)
    assert page.locator("#noise").is_hidden()
    assert page.locator("#quality").is_disabled()
    assert page.inner_text("#quality-value") == "read from the file"
    with Image.open(EXAMPLE.parent / "jpeg_deblocking_compressed.jpg") as image:
        step = image.quantization[0][8]
    before = shown(page, "before")
    wanted = np.clip(before + 255 * step / 256, 0, 255)
    assert np.abs(shown(page) - wanted).max() <= 0.51


def test_cancel_and_go_on(page, address, playwright, tmp_path):
    page.goto(f"{address}?backend=wasm")
    finished(page, playwright)
    path = tmp_path / "large.png"
    Image.effect_noise((1500, 1000), 60).save(path)
    page.locator("#file").set_input_files(path)
    playwright.expect(page.locator("#status")).to_contain_text("Press Restore")
    page.locator("#restore").click()
    playwright.expect(page.locator("#status")).to_contain_text("of 12", timeout=PATIENCE)
    page.locator("#cancel").click()
    playwright.expect(page.locator("#status")).to_have_text("Cancelled.")
    page.locator("#example").click()
    finished(page, playwright)


def test_what_cannot_be_used_is_said(page, address, playwright, tmp_path):
    page.goto(f"{address}?backend=wasm&model=models/tiny.onnx")
    finished(page, playwright)
    path = tmp_path / "text.png"
    path.write_text("no picture")
    page.locator("#file").set_input_files(path)
    playwright.expect(page.locator("#error")).to_contain_text("no picture")
    found = page.evaluate(
        """async () => {
          const { Engine } = await import('./engine.mjs');
          const engine = new Engine();
          const failure = async (action) => {
            try { await action(); return ''; } catch (error) { return error.message; }
          };
          const image = (dims, fill) => ({
            data: new Float32Array(dims.reduce((a, b) => a * b)).fill(fill), dims });
          const all = [await failure(() => engine.load('style.css'))];
          await engine.load('models/tiny.onnx', 'wasm');
          const sigma = 0.1;
          all.push(await failure(() => engine.restore(image([1, 3, 4, 4], 0.5), { sigma: 0.3 })));
          all.push(await failure(() => engine.restore(image([1, 3, 4, 4], NaN), { sigma })));
          all.push(await failure(() => engine.restore(image([1, 2, 4, 4], 0.5), { sigma })));
          all.push(await failure(() => engine.restore(image([1, 3, 4, 4], 0.5), { sigma })));
          return all;
        }"""
    )
    assert "not an ONNX file" in found[0]
    assert "outside this file's range, 0 to 51" in found[1]
    assert "NaN" in found[2]
    assert "2 channels" in found[3]
    assert found[4] == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_people_can_use_it(playwright, address, scheme):
    """Every control has a name, and text stands out from its ground (WCAG AA)."""
    context = playwright.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}?backend=wasm&model=models/tiny.onnx")
    finished(page, playwright)
    found = page.evaluate(
        """() => {
          const light = (color) => {
            const [r, g, b] = color.match(/[\\d.]+/g).map((v) => Number(v) / 255)
              .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ground = (element) => {
            for (let at = element; at; at = at.parentElement) {
              const color = getComputedStyle(at).backgroundColor;
              if (/^rgb\\(/.test(color)) return color;
            }
            return 'rgb(255, 255, 255)';
          };
          const faint = [];
          for (const element of document.querySelectorAll('h1, p, label, button, summary, .hint')) {
            if (!element.checkVisibility() || element.disabled || !element.innerText) continue;
            const pair = [getComputedStyle(element).color, ground(element)].map(light);
            const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
            if (ratio < 4.5) faint.push([element.innerText, ratio]);
          }
          const nameless = [...document.querySelectorAll('button, select, input')]
            .filter((each) => each.getAttribute('aria-hidden') !== 'true')
            .filter((each) => !(each.labels?.length || each.ariaLabel || each.textContent.trim()))
            .map((each) => each.outerHTML);
          const small = [...document.querySelectorAll('button, select, summary')]
            .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 24)
            .map((each) => each.innerText);
          return { faint, nameless, small,
                   sideways: document.documentElement.scrollWidth > innerWidth };
        }"""
    )
    assert found == {"faint": [], "nameless": [], "small": [], "sideways": False}
    context.close()
