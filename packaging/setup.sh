#!/bin/sh
# Installs what Fairlead needs on Debian 12 and a virtual environment in .venv. Idempotent: seconds when nothing is to do.
# usage: setup.sh [run|test]   (test adds the peers and tools that tests and benchmarks compare with)
set -eu
cd "$(dirname "$0")/.."
kind=${1:-test}
[ "$(id -u)" = 0 ] || { echo "setup: Fairlead makes namespaces and networks: run it as root (sudo make ...)" >&2; exit 1; }

lists=packaging/debian-packages.txt
[ "$kind" = run ] || lists="$lists packaging/debian-packages-test.txt"
missing=""
for package in $(cat $lists); do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    # Packages such as docker.io and dnsmasq would start services: nothing of ours is one.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' > $policy
        chmod +x $policy
        trap 'rm -f $policy' EXIT
    fi
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing
    # A manager's daemon starts an etcd of its own: the package's service shall not start at the next boot either. Where
    # etcd-server was installed before, it is its owner's.
    case "$missing " in *" etcd-server "*) update-rc.d etcd disable ;; esac
fi

python=/usr/bin/python3
[ -x $python ] || python=python3
stamp=.venv/.fairlead-$kind
if [ ! -e $stamp ] || [ pyproject.toml -nt $stamp ]; then
    [ -x .venv/bin/python ] || $python -m venv .venv
    extra=""
    [ "$kind" = run ] || extra="[dev]"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".$extra"
    touch $stamp
fi

# A daemon starts in half the time when nothing has to be compiled; also where PYTHONDONTWRITEBYTECODE is set.
.venv/bin/python -m compileall -q fairlead
