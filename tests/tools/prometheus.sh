#!/bin/sh
# Unpack Debian's Prometheus, with its promtool, below a folder; nothing is installed, and nothing is done where both
# are on PATH or there is no apt. Tests of rules and alerts use it.
set -eu
folder=$1/prometheus
if command -v promtool >/dev/null && command -v prometheus >/dev/null; then exit 0; fi
if [ -x "$folder/usr/bin/promtool" ] || ! command -v apt-get >/dev/null; then exit 0; fi
mkdir -p "$folder"
cd "$folder"
if [ "$(id -u)" = 0 ]; then apt-get update -qq; fi
apt-get -o APT::Sandbox::User=root download -qq prometheus
dpkg -x prometheus_*.deb .
rm prometheus_*.deb
