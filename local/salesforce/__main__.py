"""`python -m local.salesforce serve|events`."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from local.salesforce.events import canonical_line, iter_events
from local.salesforce.org import DEFAULT_SCALE, DEFAULT_SEED


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; the exit status."""
    arguments = _parser().parse_args(argv)
    run: int = arguments.run(arguments)
    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.salesforce", description="A Salesforce org on this machine.")
    verbs = parser.add_subparsers(required=True)
    serve = verbs.add_parser("serve", help="serve the org over HTTPS on 127.0.0.1")
    serve.set_defaults(run=_serve)
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--state-dir", type=Path, required=True, help="made on first start, found again on the next")
    serve.add_argument("--seed", type=int, help=f"of the event log (default {DEFAULT_SEED}, or the state's)")
    serve.add_argument("--scale", type=float, help=f"1.0 is about 200 thousand rows (default {DEFAULT_SCALE})")
    serve.add_argument("--result-pages-shape", choices=("guide", "chunks"), default="guide")
    serve.add_argument("--page-rows", type=int, default=10_000, help="rows of a result page without maxRecords")
    serve.add_argument("--token-seconds", type=float, default=7200, help="life of an access token, in wall time")
    serve.add_argument("--large", type=_size, action="append", default=[], metavar="NAME=ROWS", help="a large object")
    serve.add_argument("--large-dir", type=Path, help="keep the rows of large objects here, for other states too")
    events = verbs.add_parser("events", help="print the event log as JSON lines")
    events.set_defaults(run=_events)
    events.add_argument("--state-dir", type=Path, required=True)
    events.add_argument("--object", help="of this object only")
    return parser


def _size(text: str) -> tuple[str, int]:
    name, _, rows = text.partition("=")
    return name, int(rows)


def _serve(arguments: argparse.Namespace) -> int:
    import uvicorn

    from local.salesforce.http.app import create_app
    from local.salesforce.http.service import ResultPagesShape, Settings, open_service
    from local.salesforce.http.transport import ConnectionInScope
    from local.salesforce.tls import ensure_tls

    settings = Settings(
        port=arguments.port,
        state_dir=arguments.state_dir,
        seed=arguments.seed,
        scale=arguments.scale,
        result_pages_shape=ResultPagesShape(arguments.result_pages_shape),
        page_rows=arguments.page_rows,
        token_seconds=arguments.token_seconds,
        large=dict(arguments.large),
        large_dir=arguments.large_dir,
    )
    try:
        service = open_service(settings)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    # The records stay: no later search for cycles has to look at them.
    gc.freeze()
    tls = ensure_tls(settings.state_dir)
    try:
        uvicorn.run(
            create_app(service),
            host="127.0.0.1",
            port=settings.port,
            http=ConnectionInScope,
            ssl_certfile=str(tls.certificate),
            ssl_keyfile=str(tls.key),
            date_header=False,
            server_header=False,
            log_level="info",
            timeout_keep_alive=60,
            timeout_graceful_shutdown=3,
        )
    finally:
        service.close()
    return 0


def _events(arguments: argparse.Namespace) -> int:
    try:
        for event in iter_events(arguments.state_dir, arguments.object):
            sys.stdout.write(canonical_line(event) + "\n")
        sys.stdout.flush()
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader has seen enough (`| head`); keep Python from flushing into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
