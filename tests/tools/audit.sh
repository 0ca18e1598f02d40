#!/usr/bin/env bash
# Looks for known vulnerabilities of what is pinned: audit.sh PIP-AUDIT NPM FILE…
# A FILE is a lock of pip, a package-lock.json, or a VENDOR, which names files that were copied out of npm's packages.
# Ends with 0 where nothing is known, with 1 where something is, and with 2 where something could not be looked at.
set -euo pipefail
audit=$1 npm=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
report=$folder/report

ask_pip() { # LOCK
  rm -f "$report"
  "$audit" --disable-pip --require-hashes --progress-spinner off --format json --output "$report" \
    --requirement "$1" 2>"$folder/told"
}

ask_npm() { # FOLDER
  (cd "$1" && "$npm" audit --package-lock-only --json) >"$report" 2>"$folder/told"
}

# A lock of npm that has just these: NAME VERSION …
lock() { # FOLDER NAME VERSION …
  local there=$1 wanted='' packages=''
  shift
  while [ $# -gt 0 ]; do
    wanted+="${wanted:+, }\"$1\": \"$2\""
    packages+=", \"node_modules/$1\": {\"version\": \"$2\"}"
    shift 2
  done
  mkdir -p "$there"
  echo "{\"name\": \"looked-at\", \"version\": \"1.0.0\", \"dependencies\": {$wanted}}" >"$there/package.json"
  echo "{\"name\": \"looked-at\", \"version\": \"1.0.0\", \"lockfileVersion\": 3, \"packages\": {\"\": {\"name\":" \
    "\"looked-at\", \"version\": \"1.0.0\", \"dependencies\": {$wanted}}$packages}}" >"$there/package-lock.json"
}

# A mirror may answer for every release that nothing is known of it. These have had vulnerabilities for years.
printf 'jinja2==3.1.2 --hash=sha256:%064d\n' 0 >"$folder/known.lock"
lock "$folder/known" lodash 4.17.15
knows_pip() { ! ask_pip "$folder/known.lock" && [ -s "$report" ]; }
knows_npm() { ! ask_npm "$folder/known" && grep -q '"auditReportVersion"' "$report"; }
able=''
for kind in pip npm; do
  if "knows_$kind"; then able+=" $kind"; else tail -n 1 "$folder/told" >&2; fi
done

known='' missed=''
for file in "$@"; do
  kind=npm place=$(dirname "$file")
  case $file in
    *VENDOR) place=$folder/vendored && lock "$place" $(awk '{print $2, $3}' "$file") ;;
    *package-lock.json) ;;
    *) kind=pip place=$file ;;
  esac
  if [[ " $able " != *" $kind "* ]]; then
    missed+=" $file"
  elif "ask_$kind" "$place"; then
    echo "$file: no known vulnerability"
  else
    cat "$folder/told" >&2
    test ! -s "$report" || cat "$report"
    echo "$file: known vulnerabilities, or a lock that cannot be read" >&2
    known=yes
  fi
done
echo "not looked at in any case: libraries inside of wheels (FFmpeg), images' own packages, and what tests download"
if [ -n "$missed" ]; then
  echo "not looked at, as nobody could be asked who knows of vulnerabilities:$missed" >&2
fi
if [ -n "$known" ]; then exit 1; fi
if [ -n "$missed" ]; then exit 2; fi
