# common.sh - what the tools share: where the tree is, how they talk, becoming root. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
export LC_ALL=C.UTF-8

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' cyan=$'\e[36m' plain=$'\e[0m'
else
    bold='' dim='' red='' green='' yellow='' cyan='' plain=''
fi

say() { printf '%s\n' "$*"; }
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
step() { printf '  %s%-12s%s %s\n' "$green" "$1" "$plain" "${*:2}"; }
warn() { printf '  %s%-12s%s %s\n' "$yellow" warning "$plain" "$*" >&2; }
die() {
    printf '%s%s: %s%s\n' "$red" "${0##*/}" "$*" "$plain" >&2
    exit 1
}

# Starts the calling script again under sudo unless it already runs as root. Call with "$@".
need_root() {
    [ "$(id -u)" = 0 ] && return
    command -v sudo >/dev/null || die "needs root: run it as root"
    exec sudo "$root/tools/${0##*/}" "$@"
}

# Runs a command with its output in a log file; on failure shows the end of it and stops. quiet LOG CMD...
quiet() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 </dev/null && return
    tail -n 40 "$log" >&2
    die "failed: $* (all of it in $log)"
}
