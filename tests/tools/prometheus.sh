#!/bin/sh
# Unpack Debian's Prometheus, with its promtool, below a folder, unless both are on PATH. Tests of rules and alerts use it.
set -eu
if command -v promtool >/dev/null && command -v prometheus >/dev/null; then exit 0; fi
exec "$(dirname "$0")/unpack.sh" "$1/prometheus" prometheus
