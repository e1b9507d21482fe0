# guest.sh - what the guest's commands share; machine.py says which TREE. A node's configuration is /run/ctl/NODE.yaml.

ctl() { "$TREE/build/control/hearthctl" --socket "/run/hearth/$1/ctl.sock" "${@:2}"; }

pid_of() { cat "/run/hearth/$1/pid"; }

# give ADDRESS DRIVER: a PCI function to that driver
give() {
    local device=/sys/bus/pci/devices/$1
    modprobe "$2"
    [ ! -e "$device/driver" ] || echo "$1" >"$device/driver/unbind"
    echo "$2" >"$device/driver_override"
    echo "$1" >/sys/bus/pci/drivers_probe
    [ "$(basename "$(readlink -f "$device/driver")")" = "$2" ]
}

# launch NODE: hearthd, with what its unit allows and no more
launch() {
    local dir=/run/hearth/$1
    mkdir -p "$dir/store"
    setsid "$TREE/tools/as_unit" "$TREE/deploy/hearth.service" "$TREE/build/control/hearthd" --config "/run/ctl/$1.yaml" \
        >"$dir/log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
}

is_ready() { ctl "$1" status --json 2>/dev/null | grep -q '"ready": true'; }

# await_ready NODE: fails with the log if it ends before that. Patience for a busy machine: it takes seconds on a quiet one
await_ready() {
    local until=$((SECONDS + 240))
    while [ $SECONDS -lt $until ] && [ -d "/proc/$(pid_of "$1")" ]; do
        ! is_ready "$1" || return 0
        sleep 0.2
    done
    tail -n 20 "/run/hearth/$1/log"
    return 1
}

# What checks.py has put there: with Debian's 6.1.0-50 as the guest's kernel, folders of TREE were listed as empty.
deploy() { ctl "$1" deploy /run/ctl/hello && ctl "$1" deploy /run/ctl/big; }

# start NODE: with the scripts that are asked for
start() { launch "$1" && await_ready "$1" && deploy "$1"; }

# stop_all: every node, one that hangs too
stop_all() {
    local node pid i
    for node in $(ls /run/hearth 2>/dev/null); do kill "$(pid_of "$node")" 2>/dev/null; done
    for node in $(ls /run/hearth 2>/dev/null); do
        pid=$(pid_of "$node")
        for i in $(seq 150); do
            [ -d "/proc/$pid" ] || break
            [ "$i" != 100 ] || kill -KILL "$pid"
            sleep 0.1
        done
    done
    rm -rf /run/hearth
}

# ask ADDRESS: one HTTPS request
ask() {
    curl -sSf -m 20 -o /dev/null --cacert /run/ctl/ca.pem --connect-to "::$1:443" https://hello.hearth.test/
}
