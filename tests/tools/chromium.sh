#!/bin/sh
# Install Debian's Chromium where that can be done: nothing is done where there is one, or no apt, or no right to.
set -eu
if command -v chromium >/dev/null; then exit 0; fi
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo 'no Chromium: install it (apt-get install chromium) for the tests of the console in a browser' >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
