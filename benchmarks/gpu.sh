#!/usr/bin/env bash
# Everything that needs a GPU, on a machine without a network, in at most nine minutes:
#
#   benchmarks/gpu.sh OUT_DIR [DEVICE]      DEVICE: cuda (default), or cpu to see whether this script itself works
#
# The GPU tests, then the operators that matter most, then training steps, then the framework's loop, then the rest. Every
# part but the loop writes what it has as it goes: a run that is killed leaves what it measured. A short table comes last.
# Files: tests.txt, first.json, first.png, steps.json, loop/loop.json, rest.json, rest.png, table.txt.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:?"usage: benchmarks/gpu.sh OUT_DIR [cuda|cpu]"}
device=${2:-cuda}
python=${PYTHON:-python3}
mkdir -p "$out"
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1

started=$SECONDS
failed=() # names of the parts that failed or overran
left() { echo $((520 - (SECONDS - started))); } # seconds, of nine minutes with a margin
at_most() { local limit=$1 rest; rest=$(left); echo $((limit < rest ? limit : rest > 1 ? rest : 1)); }
part() { # part SECONDS NAME COMMAND...: a part that fails or overruns does not stop the others
    local seconds name=$2
    seconds=$(at_most "$1")
    shift 2
    echo "== $name (at most $seconds s, $(left) s left)"
    timeout --kill-after=5 "$seconds" "$@"
    local status=$?
    [ "$status" -eq 0 ] || { echo "== $name: ended with $status"; failed+=("$name"); }
    return "$status"
}

if [ "$device" = cuda ]; then
    "$python" -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else "no CUDA device")' || exit 1
    which='cuda or triton or gpu'
    first=(--size '256x*' '64x196x768' --dtype float32 bfloat16 uint8 --seconds 0.2 --stop-after 150)
    rest=(--size '64x*' '1024x*' --seconds 0.1 --stop-after 60)
    steps=()
    loop=(--frames 512 --repeats 5 --together 3)
else
    which='test_table or test_timing'
    first=(--quick --size '1024x3x32x32' --variant eager --stop-after 20)
    rest=(--quick --size '64' '1024x1x32x32' --variant eager)
    steps=(--model test_resnet --batch 2 --pixels 32 --repeats 2)
    loop=(--backbone tiny_hybrid --size 32 --frame-size 40 --frames 32 --batch 8 --patch-size 8 --repeats 1 --together 1)
fi
workers=()
"$python" -c 'import xdist' 2>/dev/null && workers=(-n 6)

tests_passed=no
part 150 "tests" "$python" -m pytest tests -q -k "$which" -p no:cacheprovider --continue-on-collection-errors "${workers[@]}" \
    >"$out/tests.txt" 2>&1 && tests_passed=yes
tail -n 3 "$out/tests.txt"

part 170 "first" "$python" -m benchmarks run --device "$device" --out "$out/first.json" "${first[@]}" \
    --case saliency patch_mixup patch_mixup_tokens mix_batch spmix spmix_cached_maps >"$out/table.txt" 2>&1
part 90 "steps" "$python" -m benchmarks steps --device "$device" --out "$out/steps.json" "${steps[@]}" >>"$out/table.txt" 2>&1
part 60 "loop" "$python" -m benchmarks loop --device "$device" --out "$out/loop/loop.json" "${loop[@]}" >>"$out/table.txt" 2>&1
part 70 "rest" "$python" -m benchmarks run --device "$device" --out "$out/rest.json" "${rest[@]}" >>"$out/table.txt" 2>&1

echo "== table, $((SECONDS - started)) s in all; tests passed: $tests_passed (tests.txt)"
"$python" -m benchmarks show --short "$out"/*.json | tee -a "$out/table.txt"
[ "$tests_passed" = yes ] || echo "The tests are red: no figure above may be quoted before they are green."
[ "${#failed[@]}" -eq 0 ] && echo "Every part ended well." || echo "Failed or overran: ${failed[*]}."
