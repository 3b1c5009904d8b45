"""Serves the built page on this machine.

python serve.py [FOLDER] [--port 8000]

The two isolation headers let the page's WebAssembly use threads; any web server that sends them
does as well.
"""

import argparse
import functools
import http.server

HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-cache",
}


class Handler(http.server.SimpleHTTPRequestHandler):
    # mjs is not known to every Python; modules and streaming WebAssembly need their types
    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self):
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_):
        pass


def server(folder, port):
    """Port 0 takes any free one; the address is in `server_address`."""
    handler = functools.partial(Handler, directory=folder)
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serves the built page on this machine.")
    parser.add_argument("folder", nargs="?", default="dist")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    with server(arguments.folder, arguments.port) as running:
        print(f"http://127.0.0.1:{running.server_address[1]}/", flush=True)
        running.serve_forever()
