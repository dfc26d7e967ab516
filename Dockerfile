# The server as an image: `cpu` for any processor, `openvino` for processors with AVX512_BF16 (x86-64 only), `cuda` for NVIDIA cards.
# Build it from the repository root:
#
#   docker build --target cpu  -t clip-in:0.1.0-cpu  .
#   docker build --target cuda -t clip-in:0.1.0-cuda .
#
# The last stages are Debian and files that were copied: no compiler, no Python, no curl, nothing installed. What it writes
# goes below /var/lib/clip-in (label sets) and /tmp, so that the root file system can be read-only.

ARG RUST=1.95.0
ARG DEBIAN=13.8

FROM rust:${RUST}-slim-trixie AS program
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY crates crates
COPY src src
RUN cargo build --release --locked --bin clip-in \
    && install -D target/release/clip-in /out/clip-in

# Fetches what deploy/onnxruntime/*.txt pin by hash, as `make` does.
FROM debian:${DEBIAN}-slim AS fetcher
# Debian's mirrors keep one version of a package, so that a pinned one would soon be gone; what counts is pinned below.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3-pip \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/onnxruntime /fetch

FROM fetcher AS onnxruntime
RUN python3 /fetch/fetch.py onnxruntime /out/onnxruntime

FROM fetcher AS onnxruntime-openvino
RUN python3 /fetch/fetch.py onnxruntime-openvino /out/onnxruntime-openvino

FROM fetcher AS onnxruntime-cuda
RUN python3 /fetch/fetch.py onnxruntime-cuda /out/onnxruntime-cuda

FROM debian:${DEBIAN}-slim AS base
# A number and not only a name: Kubernetes' runAsNonRoot looks at the number, and volumes are owned by it.
RUN groupadd --gid 10001 clip-in \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/clip-in --shell /usr/sbin/nologin clip-in \
    && install --directory --owner 10001 --group 10001 --mode 0750 /var/lib/clip-in
COPY --from=program /out/clip-in /opt/clip-in/clip-in
COPY models/demo /opt/clip-in/models/demo
COPY LICENSE /opt/clip-in/LICENSE
# For images by URL and object stores over HTTPS.
COPY --from=fetcher /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# 0.0.0.0: a container's loopback address can be reached from nowhere but the container. Who may reach the port is decided
# where it is published (compose.yaml: this machine only; Kubernetes: the NetworkPolicy).
ENV CLIP_IN_LISTEN=0.0.0.0:8080 \
    CLIP_IN_MODEL=/opt/clip-in/models/demo \
    CLIP_IN_STATE=/var/lib/clip-in \
    CLIP_IN_LOG_FORMAT=json \
    ORT_DISABLE_TELEMETRY=1
EXPOSE 8080
VOLUME /var/lib/clip-in
WORKDIR /var/lib/clip-in
USER 10001:10001
# Asks /readyz with Debian's own bash, on the port that CLIP_IN_LISTEN names. The engine's word is `healthy` for "answers
# requests", as compose's `service_healthy` takes it. Kubernetes does not look here: it has probes of its own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/${CLIP_IN_LISTEN##*:} && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r -u 3 status && [[ $status == *' 200 '* ]]"]
ENTRYPOINT ["/opt/clip-in/clip-in"]
CMD ["serve"]

FROM base AS cuda
COPY --from=onnxruntime-cuda /out/onnxruntime-cuda /opt/clip-in/onnxruntime-cuda
# What NVIDIA's container runtime puts into the container: the driver's libcuda and nvidia-smi. All else is in the image.
# ORT_DYLIB_PATH: so that this library also serves CLIP_IN_DEVICES=cpu.
ENV CLIP_IN_DEVICES=cuda:0 \
    ORT_DYLIB_PATH=/opt/clip-in/onnxruntime-cuda/libonnxruntime.so \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    CUDA_CACHE_PATH=/tmp/cuda-cache

FROM base AS plain
COPY --from=onnxruntime /out/onnxruntime /opt/clip-in/onnxruntime

FROM plain AS openvino
COPY --from=onnxruntime-openvino /out/onnxruntime-openvino /opt/clip-in/onnxruntime-openvino

# The last one is what a build without --target makes.
FROM plain AS cpu
