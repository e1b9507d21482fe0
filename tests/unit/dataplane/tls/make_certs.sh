#!/bin/sh
# make_certs.sh DIR: a throw-away CA and the leaf certificates of the TLS tests.
#   ca.pem   ec.pem ec.key (ECDSA P-256)   rsa.pem rsa.key (RSA 2048)   other.key (nobody's)
set -e
mkdir -p "$1" && cd "$1"
# A lasting end, so that the expiry the test expects is exact.
end=20491231235959Z
make_ca() {
    openssl ecparam -name prime256v1 -genkey -noout -out ca.key
    openssl req -x509 -new -key ca.key -subj "/CN=hearth test CA" -days 9000 -out ca.pem
}
make_leaf() { # NAME ALTERNATIVES
    openssl req -new -key "$1.key" -subj "/CN=common.test" -out "$1.csr"
    printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$2" >"$1.ext"
    rm -rf "$1.db" && mkdir "$1.db" && : >"$1.db/index" && echo 01 >"$1.db/serial"
    printf '[ca]\ndefault_ca=c\n[c]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' \
        "$1.db" "$1.db" "$1.db" >"$1.cnf"
    openssl ca -batch -notext -config "$1.cnf" -cert ca.pem -keyfile ca.key -in "$1.csr" -out "$1.leaf" \
        -startdate 20200101000000Z -enddate "$end" -extfile "$1.ext" 2>/dev/null
    cat "$1.leaf" ca.pem >"$1.pem"
}
make_ca 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out ec.key
openssl genrsa -out rsa.key 2048 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out other.key
make_leaf ec "DNS:ec.test,DNS:*.EC.test,IP:192.0.2.1,email:a@b.test"
make_leaf rsa "DNS:rsa.test"
