"""Pinpoint's web app: settings, backends and page put together and served. `python app.py`, or `make run`."""

from __future__ import annotations

import argparse
import os
import sys

from backends import Pool, first_choice
from grounding.errors import ConfigError
from grounding.settings import Settings


def main() -> int:
    """Serve the page until interrupted; 2 where a setting is wrong."""
    argparse.ArgumentParser(
        description="Serves Pinpoint's page.", epilog="Settings are environment variables; README.md lists them."
    ).parse_args()
    from ui import app as page_app

    try:
        settings = Settings.from_env(os.environ)
        backend, model = first_choice(settings)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    pool = Pool(settings)
    page = page_app.create(settings, pool)
    address = page_app.serve(page, settings)
    print(f"Pinpoint is at {address}. {model} ({backend}) answers unless another is chosen.", flush=True)
    page_app.warm_up(settings, pool, say=lambda words: print(words, flush=True))
    page.block_thread()
    return 0


if __name__ == "__main__":
    sys.exit(main())
