#!/bin/sh
# Unpack Debian packages below a folder: unpack.sh FOLDER PACKAGE…; nothing is installed or started. It is done once, and
# fails where there is no apt.
set -eu
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
if [ -e "$folder/ready" ]; then exit 0; fi
command -v apt-get >/dev/null
cd "$folder"
if [ "$(id -u)" = 0 ]; then apt-get update -qq; fi
apt-get -o APT::Sandbox::User=root download -qq "$@"
for package in *.deb; do dpkg -x "$package" .; done
rm ./*.deb
touch ready
