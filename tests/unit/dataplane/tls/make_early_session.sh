#!/bin/bash
# An OpenSSL session that allows early data, from a server that did:  make_early_session.sh DIRECTORY-OF-CERTIFICATES OUT
set -euo pipefail
coproc server { exec timeout 60 openssl s_server -accept 127.0.0.1:0 -tls1_3 -naccept 1 -early_data -cert "$1/ec.pem" -key "$1/ec.key" 2>&1; }
pid=$server_PID
trap 'kill "$pid" 2>/dev/null || true' EXIT
exec 5<&"${server[0]}" 6>&"${server[1]}"
while read -r word address <&5; do
    [ "$word" = ACCEPT ] && break
done
# What the server says comes behind its ticket; then both leave.
echo "a line" >&6
timeout 30 openssl s_client -connect "$address" -tls1_3 -sess_out "$2" -ign_eof </dev/null 2>/dev/null |
    while read -r line; do
        if [[ $line = *"a line"* ]]; then echo Q >&6; fi
    done || true # how the client judges that end is of no interest
openssl sess_id -in "$2" -noout -text | grep -q "Max Early Data: 16384"
