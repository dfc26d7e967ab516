#!/bin/sh
# Measures the reference models of this folder on a graphics card, against the processor: images/s by batch size, the share of
# the card's fp16 peak, 1 - cosine to fp32 on the processor, and the memory taken. Needs a driver for CUDA 12; neither
# Rust, nor Python, nor a network.
#
#   DEVICE=cuda:0          which card (cpu checks the folder on a machine without one)
#   PEAK_TERAFLOPS=989     the card's dense fp16 peak: 989 H100 SXM, 312 A100, 121 L4, 65 T4
#   BATCHES=1,8,32,64,128
set -eu
here=$(cd "$(dirname "$0")" && pwd)
device=${DEVICE:-cuda:0}
peak=${PEAK_TERAFLOPS:-989}
batches=${BATCHES:-1,2,4,8,16,32,64,128}
export ORT_DYLIB_PATH="$here/onnxruntime-cuda/libonnxruntime.so"

# The largest memory in use on the card while a command runs.
with_memory() {
    index=${device#cuda:}
    if [ "$device" = cpu ] || ! command -v nvidia-smi >/dev/null; then
        "$@"
        return
    fi
    log=$(mktemp)
    while nvidia-smi -i "$index" --query-gpu=memory.used --format=csv,noheader,nounits >>"$log"; do sleep 0.2; done &
    sampler=$!
    "$@" || { kill $sampler; rm -f "$log"; exit 1; }
    kill $sampler
    echo "memory of the card: $(sort -n "$log" | head -n 1) MiB before, $(sort -n "$log" | tail -n 1) MiB at most"
    rm -f "$log"
}

# Operations an image in 10^9: two for each multiplication with addition of patches, blocks and attention.
measure() {
    for precision in fp32 fp16; do
        [ "$device" = cpu ] && [ $precision = fp16 ] && continue
        echo "## $1, $precision"
        with_memory "$here/clip-in" model measure "$here/models/$1" --device "$device" --precision $precision \
            --batches "$batches" --gigaflops "$2" --peak-teraflops "$peak"
        echo
    done
}

command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
measure vit-b-32 8.8
measure vit-b-16 35.1
measure vit-l-14 162.0
