"""Opens the built page in headless Chromium and prints its difference to the stored reference.

python check.py FOLDER models/NAME.onnx       (needs the package playwright, and chromium)
"""

import shutil
import sys
import threading

import serve
from playwright.sync_api import Error, expect, sync_playwright

PATIENCE = 180e3  # milliseconds


def figure(folder, model):
    """The line that the page shows, and the backend that it names."""
    with serve.server(folder, 0) as server, sync_playwright() as running:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        program = shutil.which("chromium")
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/?model={model}")
        expect(page.locator("#status")).to_contain_text(" s on ", timeout=PATIENCE)
        page.locator("summary", has_text="Passport").click()
        page.locator("#check").click()
        result = page.locator("#check-result")
        expect(result).to_contain_text("largest difference", timeout=PATIENCE)
        found = result.inner_text(), page.inner_text("#status").split(" on ")[-1]
        browser.close()
        server.shutdown()
    return found


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        line, backend = figure(*sys.argv[1:])
    except (Error, AssertionError, OSError) as error:
        print(f"error: {' '.join(str(error).split())[:300]}", file=sys.stderr)
        sys.exit(2)
    print(f"{line}, {backend}")
    largest, allowed = (float(part.strip(")")) for part in line.split(": ")[1].split(" (allowed "))
    sys.exit(0 if largest <= allowed else 1)
