#!/bin/sh
# Every test that this kernel can run but those of swarms under long fire: most of them by several workers, which share
# the files out; then those that time what they see, one after another.
# usage: test.sh [pytest arguments]   (FAIRLEAD_TEST_WORKERS: how many, default 2; 0: no sharing)
set -u
cd "$(dirname "$0")/.."
which="not stock_kernel and not long"
.venv/bin/python -m pytest -q -n "${FAIRLEAD_TEST_WORKERS:-2}" --dist loadfile --no-loadscope-reorder --durations=15 \
    -m "$which and not timed" "$@"
shared=$?
[ $shared != 2 ] || exit 2 # interrupted
FAIRLEAD_LAB_PATIENCE=${FAIRLEAD_LAB_PATIENCE:-1} .venv/bin/python -m pytest -q --durations=5 -m "$which and timed" "$@"
timed=$?
# 5 is pytest's word for "no such test": of the tests named by the arguments, or of those that failed before.
for code in $shared $timed; do
    [ $code = 0 ] || [ $code = 5 ] || exit $code
done
[ $shared = 0 ] || [ $timed = 0 ] || [ $# != 0 ]
