#!/bin/sh
# Unpack Debian's RabbitMQ and the parts of Erlang that it needs below a folder; nothing is installed or started, and
# nothing is done where it is on PATH or there is no apt. Tests of the bus use it.
set -eu
mkdir -p "$1"
folder=$(cd "$1" && pwd)/rabbitmq
if command -v rabbitmq-server >/dev/null; then exit 0; fi
if [ -e "$folder/ready" ] || ! command -v apt-get >/dev/null; then exit 0; fi
mkdir -p "$folder"
cd "$folder"
if [ "$(id -u)" = 0 ]; then apt-get update -qq; fi
parts='asn1 base crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl syntax-tools tftp tools xmerl'
# shellcheck disable=SC2046 # one word for each package
apt-get -o APT::Sandbox::User=root download -qq rabbitmq-server $(printf 'erlang-%s ' $parts)
for package in *.deb; do dpkg -x "$package" .; done
rm ./*.deb
# Erlang's start script names the folder that the package would have been installed to.
sed -i "s|ROOTDIR=/usr/lib/erlang|ROOTDIR=$folder/usr/lib/erlang|" usr/lib/erlang/bin/erl
touch ready
