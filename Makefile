# The two commands of the README are `make serve` and `make test`. Each sets up all it needs.

LISTEN ?= 127.0.0.1:8080
MODEL ?= models/demo
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
CLIENTS := .cache/clients-venv
CATALOGUE := .cache/catalogue-venv
ORT_DIR := .cache/onnxruntime
# ONNX Runtime 1.29 and later send telemetry. clip-in forbids it by itself; this is for everything else.
export ORT_DISABLE_TELEMETRY := 1
export ORT_DYLIB_PATH ?= $(CURDIR)/$(ORT_DIR)/libonnxruntime.so
# A pip of its own: the one that the system's Python has may refuse to run outside an environment.
FETCH := { test -x .cache/pip/bin/python || $(PYTHON) -m venv .cache/pip; } && .cache/pip/bin/python deploy/onnxruntime/fetch.py
CLIP_IN := target/release/clip-in
TRAIN := PYTHONPATH=models/training $(PY) -m clip_in_training

.PHONY: help serve test test-rust test-python end-to-end test-clients test-catalogue catalogue test-monitoring test-dct-scaling lint onnxruntime onnxruntime-openvino onnxruntime-cuda python build train-demo ablation bench bench-setup stream textile kills rolling-restart faults abuse fuzz soak reference gpu-bundle lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | column -t -s '	'

serve: build onnxruntime-openvino ## build and serve MODEL (models/demo) on LISTEN (127.0.0.1:8080)
	$(CLIP_IN) serve --model $(MODEL) --listen $(LISTEN)

test: test-rust test-python test-clients test-catalogue ## everything that CI runs: both test suites and the linters
	@$(MAKE) --no-print-directory lint

test-rust: onnxruntime ## tests of the server
	cargo test --locked

# The server under test is the one that `cargo test` builds: a second profile would double the time.
test-python: python onnxruntime ## tests of the training module, and of the server against PyTorch, Pillow and a browser
	cargo test --locked --no-run --quiet
	OMP_NUM_THREADS=1 CLIP_IN_BINARY=target/debug/clip-in $(PY) -m pytest -n 2 --dist loadfile models/training/tests tests/python

end-to-end: python onnxruntime ## ViT-B/32 from random weights through both stages, export, `clip-in eval` and `clip-in serve`, a few steps
	cargo test --locked --no-run --quiet
	CLIP_IN_BINARY=target/debug/clip-in $(PY) -m pytest tests/python/test_whole_way.py

test-clients: $(CLIENTS)/.installed onnxruntime ## the server against other people's clients: openai, cohere, grpcio, tritonclient; embed against an S3
	cargo test --locked --no-run --quiet
	CLIP_IN_BINARY=target/debug/clip-in $(CLIENTS)/bin/python -m pytest tests/python/clients

$(CLIENTS)/.installed: tests/python/clients/requirements.txt
	test -x $(CLIENTS)/bin/python || $(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

test-catalogue: $(CATALOGUE)/.installed onnxruntime ## deploy/examples/catalogue against a real PostgreSQL and LanceDB, on 600 scenes
	cargo test --locked --no-run --quiet
	CLIP_IN_BINARY=target/debug/clip-in $(CATALOGUE)/bin/python -m pytest -rs tests/python/catalogue

catalogue: $(CATALOGUE)/.installed build ## the same on 5000 scenes, with the table of deploy/examples/catalogue/README.md
	CATALOGUE_SCENES=5000 CLIP_IN_BINARY=$(CLIP_IN) $(CATALOGUE)/bin/python -m pytest -s tests/python/catalogue

$(CATALOGUE)/.installed: tests/python/catalogue/requirements.txt
	test -x $(CATALOGUE)/bin/python || $(PYTHON) -m venv $(CATALOGUE)
	$(CATALOGUE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

test-monitoring: python onnxruntime ## dashboard and alerts on a real Prometheus (needs Debian's package prometheus)
	cargo test --locked --no-run --quiet
	CLIP_IN_MONITORING=1 CLIP_IN_BINARY=target/debug/clip-in $(PY) -m pytest -s tests/python/test_metrics.py tests/python/test_monitoring.py

test-dct-scaling: onnxruntime ## the optional feature dct-scaling (needs cmake and nasm)
	cargo test --locked --features dct-scaling --test preprocess_reduced

lint: python ## formatting and lints
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --locked --all-targets -- -D warnings
	$(PY) -m ruff check models/training tests deploy
	$(PY) -m ruff format --check models/training tests deploy

build: onnxruntime ## the release binary
	cargo build --release --locked

# An ORT_DYLIB_PATH from outside wins, and then nothing is fetched.
onnxruntime: ## the pinned ONNX Runtime library
ifeq ($(ORT_DYLIB_PATH),$(CURDIR)/$(ORT_DIR)/libonnxruntime.so)
	@$(FETCH) onnxruntime $(ORT_DIR)
endif

onnxruntime-openvino: ## the ONNX Runtime that computes in bf16, if this processor does (84 MB)
	@$(FETCH) onnxruntime-openvino .cache/onnxruntime-openvino --if-useful

onnxruntime-cuda: ## the ONNX Runtime for graphics cards with the CUDA 12 libraries that it needs (1.7 GB)
	@$(FETCH) onnxruntime-cuda .cache/onnxruntime-cuda

python: $(VENV)/.installed ## the Python environment of the training module and the tests

# --no-deps: the lists are complete, so nothing is resolved anew.
$(VENV)/.installed: models/training/requirements.txt tests/requirements.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r models/training/requirements.txt -r tests/requirements.txt
	touch $@

train-demo: python ## generate scenes, train the demo model, export it to models/demo (under an hour on two cores)
	$(TRAIN) generate --recipe models/recipes/demo.toml
	$(TRAIN) train --recipe models/recipes/demo.toml --resume
	$(TRAIN) export --recipe models/recipes/demo.toml --out models/demo

ablation: python ## what each ingredient of CLIP-IN is worth: seven variants, three seeds, one start (under two hours on two cores; resumable; longer, for a card: ABLATION="--run runs/ablation-long --jobs 1 --set finetune.steps=2000")
	$(TRAIN) generate --recipe models/recipes/demo-clip.toml
	test -f runs/demo-clip/bundle/bundle.json || { $(TRAIN) train --recipe models/recipes/demo-clip.toml --start models/demo --resume && \
		$(TRAIN) export --recipe models/recipes/demo-clip.toml --out runs/demo-clip/bundle --precisions ''; }
	$(TRAIN) ablation --recipe models/recipes/ablation.toml --out runs/ablation/tables.md $(ABLATION)

bench: build python ## measure the server against FastAPI, infinity and the machine's limit; wants an idle machine (BENCH="--only NAME,…")
	$(PY) tests/bench/run.py --markdown runs/bench.md $(BENCH)

bench-setup: python ## the Python environments of the baselines, which bench would make too (several GB)
	$(PY) tests/bench/environments.py

stream: build $(CLIENTS)/.installed ## 10,000 images through one gRPC stream: order, memory, speed against /v1/embeddings (STREAM="--images 2000")
	$(CLIENTS)/bin/python tests/bench/stream.py $(STREAM)

textile: build python ## defects of a textile by words and by example images (TEXTILE="--bundle …")
	$(PY) tests/bench/textile.py $(TEXTILE)

kills: onnxruntime ## 200 kills while label sets are written: each is whole afterwards
	CLIP_IN_KILLS=200 cargo test --locked --test labelsets_kill -- --nocapture

rolling-restart: build $(CLIENTS)/.installed ## two servers behind HAProxy, restarted in turn under load: nothing may be lost (needs Debian's haproxy)
	PYTHONPATH=tests/bench $(CLIENTS)/bin/python tests/faults/rolling_restart.py $(ROLLING)

faults: build $(CLIENTS)/.installed ## what goes wrong in production, under load, with what clients see: runs/faults.md (as root: a full disk; Debian's faketime: a clock that jumps; FAULTS="--only kill,…")
	PYTHONPATH=tests/bench $(CLIENTS)/bin/python tests/faults/run.py $(FAULTS)

abuse: build python ## what one client could take a server away with, in 2 GiB of memory: runs/abuse.md (ABUSE="--only A1,A2")
	PYTHONPATH=tests/bench:tests/faults $(PY) tests/abuse/run.py $(ABUSE)

# Without a sanitizer: there is no unsafe code of ours to watch, and so the stable toolchain is enough. Memory is watched by an
# allocator that counts. What is new in a corpus stays in .cache; what breaks something is written below fuzz/artifacts.
FUZZ_SECONDS ?= 60
FUZZ ?= image json_body labelset_json tensors grpc_wire manifest text tokenizer_file
CARGO_FUZZ := .cache/cargo-fuzz/bin/cargo-fuzz
fuzz: ## FUZZ_SECONDS (60) of made-up bytes for each parser of what comes from outside (FUZZ="image text"); needs a C++ compiler
	test -x $(CARGO_FUZZ) || cargo install --locked cargo-fuzz --version 0.13.2 --root .cache/cargo-fuzz
	@for target in $(FUZZ); do \
		mkdir -p .cache/fuzz-corpus/$$target && \
		$(CARGO_FUZZ) run --sanitizer none --target-dir target/fuzz $$target .cache/fuzz-corpus/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 || exit 1; \
	done

soak: build python $(CLIENTS)/.installed ## an hour of everything that may be sent, at 80 % of what the server can do: memory, descriptors, threads and p99 must stay (SOAK="--minutes 5")
	$(PY) tests/bench/soak.py $(SOAK)

reference: python ## reference models with random weights, for measuring speed
	$(foreach name,ViT-B-32 ViT-B-16,$(call REFERENCE,$(name),runs/reference,int8))

gpu-bundle: build python onnxruntime-cuda ## runs/gpu-bundle: measures this on a CUDA machine with neither Rust nor network (7 GB)
	mkdir -p runs/gpu-bundle/models
	$(foreach name,ViT-B-32 ViT-B-16 ViT-L-14,$(call REFERENCE,$(name),runs/gpu-bundle/models,fp16))
	cp -r .cache/onnxruntime-cuda $(CLIP_IN) deploy/gpu-bundle/measure.sh runs/gpu-bundle/

# A reference model that is not there yet: its name in open_clip, folder, precisions beside fp32.
define REFERENCE
	test -f $(2)/$(call lower,$(1))/bundle.json || $(TRAIN) reference --architecture $(1) --out $(2)/$(call lower,$(1))
	$(if $(3),$(TRAIN) variants --bundle $(2)/$(call lower,$(1)) --precisions $(3))

endef
lower = $(subst V,v,$(subst T,t,$(subst B,b,$(subst L,l,$(1)))))

lock: ## pin the Python requirements anew (needs uv)
	cd models/training && uv pip compile --universal --fork-strategy fewest --python-version 3.10 --no-header --quiet requirements.in -o requirements.txt
	uv pip compile --universal --fork-strategy fewest --python-version 3.10 --no-header --quiet -c models/training/requirements.txt tests/requirements.in -o tests/requirements.txt
	cd tests/python/clients && uv pip compile --universal --fork-strategy fewest --python-version 3.10 --no-header --quiet requirements.in -o requirements.txt
	cd deploy/examples/catalogue && uv pip compile --universal --fork-strategy fewest --python-version 3.10 --no-header --quiet requirements.in -o requirements.txt
	cd tests/python/catalogue && uv pip compile --universal --fork-strategy fewest --python-version 3.10 --no-header --quiet -c ../../../deploy/examples/catalogue/requirements.txt requirements.in -o requirements.txt
	cd tests/bench && uv pip compile --universal --python-version 3.11 --no-header --quiet requirements.in -o requirements.txt
	cd tests/bench && uv pip compile --universal --python-version 3.11 --no-header --quiet infinity-requirements.in -o infinity-requirements.txt
	cd tests/bench && uv pip compile --universal --python-version 3.11 --no-header --quiet textile-requirements.in -o textile-requirements.txt

clean: ## remove what was built and fetched
	rm -rf target .cache $(VENV)
