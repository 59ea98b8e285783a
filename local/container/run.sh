#!/bin/sh
# The container's main process: starts the stack, shows its logs, stops it when the container is stopped.
set -eu

logs=
stop() {
    make down
    [ -z "$logs" ] || kill "$logs"
    exit 0
}
trap stop TERM INT

# `make demo` in place of `make up` where the container is told so: docker compose run stack demo
make "${1:-up}"
tail -n 0 -F "$IDISCOVER_STACKS"/default/logs/*.log &
logs=$!
# a signal interrupts wait, and not tail
wait "$logs"
