#!/bin/sh
# Unpack Debian's RabbitMQ and the parts of Erlang that it needs below a folder, unless it is on PATH. Tests of the bus use
# it.
set -eu
if command -v rabbitmq-server >/dev/null; then exit 0; fi
parts='asn1 base crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl syntax-tools tftp tools xmerl'
# shellcheck disable=SC2046 # one word for each package
"$(dirname "$0")/unpack.sh" "$1/rabbitmq" rabbitmq-server $(printf 'erlang-%s ' $parts)
# Erlang's start script names the folder that the package would have been installed to.
folder=$(cd "$1/rabbitmq" && pwd)
sed -i "s|ROOTDIR=/usr/lib/erlang|ROOTDIR=$folder/usr/lib/erlang|" "$folder/usr/lib/erlang/bin/erl"
