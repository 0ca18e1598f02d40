#!/bin/sh
# Unpack Debian's Prometheus, with its promtool, and its Alertmanager, with its amtool, below a folder, unless they are on
# PATH. Tests of rules and alerts use them.
set -eu
unpack=$(dirname "$0")/unpack.sh
if ! command -v promtool >/dev/null || ! command -v prometheus >/dev/null; then "$unpack" "$1/prometheus" prometheus; fi
if ! command -v amtool >/dev/null; then "$unpack" "$1/alertmanager" prometheus-alertmanager; fi
