# `make serve` and `make test` are the two commands of the README. Each sets up everything that it needs.

LISTEN ?= 127.0.0.1:8080
MODEL ?= models/demo
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
CLIENTS := .cache/clients-venv
CATALOGUE := .cache/catalogue-venv
LINTERS := .cache/linters
CARGO_DENY := .cache/cargo-deny/bin/cargo-deny
MDBOOK := .cache/mdbook/bin/mdbook
ORT_DIR := .cache/onnxruntime
# ONNX Runtime 1.29 and later sends telemetry. clip-in switches it off by itself; this line does so for everything else.
export ORT_DISABLE_TELEMETRY := 1
export ORT_DYLIB_PATH ?= $(CURDIR)/$(ORT_DIR)/libonnxruntime.so
# Most modules of PyTorch are never imported: Python compiles those that are when it first reads them.
PIP_INSTALL := pip install --quiet --disable-pip-version-check --no-compile
# A pip in an environment of its own: the system's pip may refuse to run outside of one.
FETCH := { test -x .cache/pip/bin/python || $(PYTHON) -m venv .cache/pip; } && .cache/pip/bin/python deploy/onnxruntime/fetch.py
CLIP_IN := target/release/clip-in
TRAIN := $(VENV)/bin/clip-in-training

.PHONY: help serve proto small-sources test check test-rust test-python test-full-size end-to-end test-clients test-catalogue catalogue test-monitoring test-dct-scaling lint lint-code docs onnxruntime onnxruntime-openvino onnxruntime-cuda python build train-demo train-small train-small-text evaluate-demo evaluate-small ablation bench bench-setup stream textile kills deliveries review-page rolling-restart faults watch-folder abuse fuzz soak reference gpu-bundle lock clean textile-features textile-compare evaluate-changes inspection-pictures promises resolutions loop environments test-binaries tests-in-order

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | column -t -s '	'

serve: build onnxruntime-openvino ## build and serve MODEL (models/demo) on LISTEN (127.0.0.1:8080)
	$(CLIP_IN) serve --model $(MODEL) --listen $(LISTEN)

# Packages are fetched while the compiler works. The linters run beside the tests, which leave a part of two cores unused.
# The tests themselves come one after another.
test: ## everything that CI runs: Rust and Python tests, clients, catalogue, linters
	@$(MAKE) --no-print-directory -j 3 environments test-binaries
	@$(MAKE) --no-print-directory -j 2 --output-sync=target tests-in-order lint-code

tests-in-order:
	@$(MAKE) --no-print-directory -j 1 test-rust test-python test-clients test-catalogue

environments: $(VENV)/.installed $(CLIENTS)/.installed $(CATALOGUE)/.installed $(LINTERS)/.installed

test-binaries: onnxruntime
	cargo test --locked --no-run

check: $(LINTERS)/.installed onnxruntime ## what to run before a commit: format, lints, links, documentation of the code, Rust tests; no PyTorch
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	$(LINTERS)/bin/ruff check --no-cache models/training tests deploy examples
	$(LINTERS)/bin/ruff format --check --no-cache models/training tests deploy examples
	$(LINTERS)/bin/shellcheck $(SHELL_SCRIPTS)
	$(LINTERS)/bin/typos
	$(LINTERS)/bin/lychee --offline --no-progress --include-fragments $(DOCUMENTS)
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
	cargo test --locked

test-rust: onnxruntime ## the Rust tests
	cargo test --locked

# The server under test is the one that `cargo test` builds: a second profile would take twice the time.
test-python: python onnxruntime ## the Python tests: the training module, and the server against PyTorch, Pillow and a browser
	cargo test --locked --no-run --quiet
	$(PY) -m clip_in_training.small.fetch .cache/small || echo "the tests of composed scenes will be skipped"
	OMP_NUM_THREADS=1 CLIP_IN_BINARY=target/debug/clip-in $(PY) -m pytest -n 2 --dist loadfile --timeout 600 models/training/tests tests/python

test-full-size: python $(CLIENTS)/.installed onnxruntime ## what `make test` leaves out: models of their published size, long runs of training, the largest requests, more generated ones, and the how-to of lines with as many parts as it says
	cargo test --locked --test it -- --ignored
	OMP_NUM_THREADS=2 CLIP_IN_BINARY=target/debug/clip-in $(PY) -m pytest -m "full_size or slow_training" models/training/tests tests/python
	SCHEMATHESIS_EXAMPLES=60 CLIP_IN_BINARY=target/debug/clip-in $(CLIENTS)/bin/python -m pytest tests/python/clients/test_openapi.py

end-to-end: python onnxruntime ## ViT-B/32 with random weights, a few steps of both stages, export, `clip-in eval` and `clip-in serve`
	cargo test --locked --no-run --quiet
	CLIP_IN_BINARY=target/debug/clip-in $(PY) -m pytest -m full_size tests/python/test_whole_way.py

test-clients: $(CLIENTS)/.installed onnxruntime ## the server against clients of other projects: openai, cohere, grpcio, tritonclient; embed against an S3
	cargo test --locked --no-run --quiet
	CLIP_IN_BINARY=target/debug/clip-in $(CLIENTS)/bin/python -m pytest tests/python/clients

$(CLIENTS)/.installed: tests/python/clients/requirements.txt
	test -x $(CLIENTS)/bin/python || $(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m $(PIP_INSTALL) --no-deps -r $<
	touch $@

test-catalogue: $(CATALOGUE)/.installed onnxruntime ## the catalogue example with PostgreSQL and LanceDB, on 600 scenes
	cargo test --locked --no-run --quiet
	CLIP_IN_BINARY=target/debug/clip-in $(CATALOGUE)/bin/python -m pytest -rs tests/python/catalogue

catalogue: $(CATALOGUE)/.installed build ## the catalogue example on 5000 scenes; prints the table of the documentation
	CATALOGUE_SCENES=5000 CLIP_IN_BINARY=$(CLIP_IN) $(CATALOGUE)/bin/python -m pytest -s tests/python/catalogue

# The training module without what trains: the example draws its scenes.
$(CATALOGUE)/.installed: tests/python/catalogue/requirements.txt models/training/pyproject.toml
	test -x $(CATALOGUE)/bin/python || $(PYTHON) -m venv $(CATALOGUE)
	$(CATALOGUE)/bin/python -m $(PIP_INSTALL) --no-deps -r $< -e models/training
	touch $@

test-monitoring: python onnxruntime ## dashboard and alerts with a real Prometheus (needs Debian's package prometheus)
	cargo test --locked --no-run --quiet
	CLIP_IN_MONITORING=1 CLIP_IN_BINARY=target/debug/clip-in $(PY) -m pytest -s tests/python/test_metrics.py tests/python/test_monitoring.py

test-dct-scaling: onnxruntime ## the optional feature dct-scaling (needs cmake and nasm)
	cargo test --locked --features dct-scaling --test it preprocess_reduced

lint-code: python $(LINTERS)/.installed
	cargo fmt --all --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo fmt --check --manifest-path proto/generate/Cargo.toml
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
	$(PY) -m ruff check --no-cache models/training tests deploy examples
	$(PY) -m ruff format --check --no-cache models/training tests deploy examples
	cd models/training && $(CURDIR)/$(PY) -m mypy
	$(LINTERS)/bin/shellcheck $(SHELL_SCRIPTS)
	$(LINTERS)/bin/typos
	$(LINTERS)/bin/lychee --offline --no-progress --include-fragments $(DOCUMENTS)

# Apart from the other lints: building cargo-deny, and the compiler of protocol buffers, takes minutes.
lint: lint-code $(CARGO_DENY) ## formatting, lints, types, spelling, links, licences of dependencies, generated code
	$(CARGO_DENY) --locked check licenses bans sources
	$(MAKE) --no-print-directory proto
	git diff --exit-code --stat src/api/grpc/generated

SHELL_SCRIPTS := .ci/run deploy/gpu-bundle/measure.sh
proto: ## generate the code of gRPC again, after a change of proto/
	cargo run --quiet --locked --manifest-path proto/generate/Cargo.toml --target-dir target/generate

DOCUMENTS = $(shell git ls-files '*.md')

$(LINTERS)/.installed: tests/lint/requirements.txt
	test -x $(LINTERS)/bin/python || $(PYTHON) -m venv $(LINTERS)
	$(LINTERS)/bin/python -m $(PIP_INSTALL) --no-deps -r $<
	touch $@

$(CARGO_DENY):
	cargo install --locked cargo-deny --version 0.20.2 --root .cache/cargo-deny

docs: $(MDBOOK) ## the documentation as HTML: target/docs/index.html
	$(MDBOOK) build docs

$(MDBOOK):
	cargo install --locked mdbook --version 0.5.4 --no-default-features --features search --root .cache/mdbook

build: onnxruntime ## the release binary
	cargo build --release --locked

# An ORT_DYLIB_PATH from outside takes precedence, and nothing is fetched.
onnxruntime: ## the pinned ONNX Runtime library
ifeq ($(ORT_DYLIB_PATH),$(CURDIR)/$(ORT_DIR)/libonnxruntime.so)
	@$(FETCH) onnxruntime $(ORT_DIR)
endif

onnxruntime-openvino: ## the ONNX Runtime with OpenVINO, for processors with bf16 (84 MB)
	@$(FETCH) onnxruntime-openvino .cache/onnxruntime-openvino --if-useful

onnxruntime-cuda: ## the ONNX Runtime for graphics cards, with its CUDA 12 libraries (1.7 GB)
	@$(FETCH) onnxruntime-cuda .cache/onnxruntime-cuda

python: $(VENV)/.installed ## the Python environment of the training module and the tests

# The training module with its pre-trained weights and development tools, and what the other tests need, all at the pinned versions.
$(VENV)/.installed: models/training/pyproject.toml models/training/requirements.txt tests/requirements.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m $(PIP_INSTALL) -c models/training/requirements.txt -r tests/requirements.txt -e 'models/training[small,dev]'
	touch $@

small-sources: python ## pictures and words that the small model's training reads: files of Debian's packages into .cache/small (15 MB; Debian 12)
	$(PY) -m clip_in_training.small.fetch .cache/small

train-demo: python ## generate scenes, train the demo model in two parts, export it to models/demo (an hour and a half on two cores)
	$(TRAIN) generate --recipe models/recipes/demo.toml
	$(TRAIN) train --recipe models/recipes/demo.toml --resume
	$(TRAIN) export --recipe models/recipes/demo.toml --out runs/demo/bundle
	$(TRAIN) generate --recipe models/recipes/demo-further.toml
	$(TRAIN) train --recipe models/recipes/demo-further.toml --continue-from runs/demo/bundle --resume
	$(TRAIN) export --recipe models/recipes/demo-further.toml --out models/demo
	$(TRAIN) features --bundle models/demo
	$(TRAIN) replay --bundle models/demo
	$(TRAIN) statements --bundle models/demo
	$(TRAIN) card --bundle models/demo --write

evaluate-demo: python ## measure models/demo on fresh scenes: intervals, both directions, false alarms, what no edit changes (EVALUATE="--write": into its card)
	$(TRAIN) card --bundle models/demo $(EVALUATE)

train-small-text: python ## the text tower of clip-in-small: MiniLM-L6 becomes a rotary encoder of three layers (50 minutes on one core; resumable)
	$(PY) -m clip_in_training.small.text.prepare --out data/small-text
	$(TRAIN) distil --recipe models/recipes/small-text.toml --resume
	$(PY) -m clip_in_training.small.text.export --run runs/small-text --out runs/small-text/tower
	$(PY) -m clip_in_training.small.text.measure --tower runs/small-text/tower

train-small: train-small-text small-sources ## clip-in-small as a whole: text tower, data (150 KB a picture), heads, bundle in runs/small/bundle (resumable)
	$(PY) -m clip_in_training.small.data.prepare --recipe models/recipes/small.toml
	$(PY) -m clip_in_training.small.train.run --recipe models/recipes/small.toml
	$(PY) -m clip_in_training.small.export --recipe models/recipes/small.toml --out runs/small/bundle
	$(TRAIN) features --bundle runs/small/bundle
	$(TRAIN) statements --bundle runs/small/bundle

BUNDLE ?= models/demo
evaluate-small: python ## measure BUNDLE (models/demo) on fresh scenes and write its goals to the documentation: other words, worse pictures, what is held out (GOALS="--pairs 5")
	$(TRAIN) goals --bundle $(BUNDLE) --out docs/src/results/shipped-model.md $(GOALS)

ablation: python ## what each ingredient of CLIP-IN is worth: thirteen variants, three seeds (some two hours on two cores with bf16; resumable; longer, on a card: ABLATION="--run runs/ablation-long --jobs 1 --set finetune.steps=2000")
	$(TRAIN) generate --recipe models/recipes/demo-clip.toml
	test -f runs/demo-clip/bundle/bundle.json || { $(TRAIN) train --recipe models/recipes/demo-clip.toml --start models/demo --resume && \
		$(TRAIN) export --recipe models/recipes/demo-clip.toml --out runs/demo-clip/bundle --precisions ''; }
	$(TRAIN) ablation --recipe models/recipes/ablation.toml --out runs/ablation/tables.md $(ABLATION)

bench: build python ## measure the server beside FastAPI, infinity and the machine's limit; needs an idle machine (BENCH="--only NAME,…")
	$(PY) -m tests.bench.run --markdown runs/bench.md $(BENCH)

bench-setup: python ## the Python environments of the servers that bench compares with (several GB; bench sets them up too)
	$(PY) -m tests.bench.environments

stream: build $(CLIENTS)/.installed ## 10,000 images through one gRPC stream: order, memory, speed against /v1/embeddings (STREAM="--images 2000")
	$(CLIENTS)/bin/python -m tests.bench.stream $(STREAM)

textile: build python ## find defects of a textile by words and by example images (TEXTILE="--bundle …")
	$(PY) -m tests.bench.textile $(TEXTILE)

textile-features: python ## find defects of a textile by the features of a frozen tower and ten good pictures (TEXTILE="--draws 5")
	$(PY) -m tests.bench.textile_features $(TEXTILE)

textile-compare: build python ## find defects of a textile by comparing it with 5 to 50 good pictures (TEXTILE="--draws 5")
	$(PY) -m tests.bench.textile_compare $(TEXTILE)

evaluate-changes: build python ## which statement about a part beside its golden sample is true, is it changed, where: drawn parts, five seeds (CHANGES="--bundle runs/small/bundle")
	$(PY) -m tests.bench.changes $(CHANGES)

promises: build python ## what lines promise, by drawn parts and a textile: 1,000 calibrations, review share, drift; an hour on two cores (PROMISES="--reuse")
	$(PY) -m tests.promises.run $(PROMISES)

resolutions: build python ## what fewer pixels cost a line: review share by resolution; drawn parts and a textile (RESOLUTIONS="--resolutions 192,448")
	$(PY) -m tests.promises.resolutions $(RESOLUTIONS)

loop: build python ## a plant in a box: corrections become edit pairs, an adapted model, a gate, a shadow and a promotion under load, with controls; 35 minutes on two cores (LOOP="--scale 0.3", LOOP="--bundle runs/reference/vit-b-32 --any-result")
	$(PY) -m tests.loop.run $(LOOP)

inspection-pictures: build python ## docs/src/images/kinds.png: a part of each kind and what a comparison says about it
	$(PY) -m tests.promises.kinds

kills: onnxruntime ## kill the server 200 times while it writes label sets, and during inspections (SQLite; PostgreSQL where Debian has installed it); nothing acknowledged may be lost
	CLIP_IN_KILLS=200 cargo test --locked --test it _kill:: -- --nocapture

deliveries: build $(CLIENTS)/.installed ## 10,000 decisions to a webhook and a broker that are away half of the time, with ten kills of the server; each must arrive, in order (needs Debian's mosquitto; DELIVERIES="--decisions 2000")
	$(CLIENTS)/bin/python -m tests.faults.deliveries $(DELIVERIES)

review-page: build python ## how long a reviewer waits for the next part: 200 parts decided in Chromium with a million rows behind (REVIEW_PAGE="--rows 1000")
	$(PY) -m tests.bench.review_page $(REVIEW_PAGE)

rolling-restart: build $(CLIENTS)/.installed ## restart two servers behind HAProxy in turn, under load; no request may be lost (needs Debian's haproxy)
	$(CLIENTS)/bin/python -m tests.faults.rolling_restart $(ROLLING)

faults: build $(CLIENTS)/.installed ## break things under load and record what clients see: runs/faults.md (a full disk needs root, and a database that goes away PostgreSQL; a jumping clock needs Debian's faketime; FAULTS="--only kill,…")
	$(CLIENTS)/bin/python -m tests.faults.run $(FAULTS)

watch-folder: build python ## a camera drops 2,000 files, and `clip-in watch` is killed ten times: each file must be moved and stored once (WATCH="--files 500 --kills 30")
	$(PY) -m tests.faults.watch $(WATCH)

abuse: build python ## attack a server with 2 GiB of memory, beside a client that must not notice: runs/abuse.md (ABUSE="--only A1,A2")
	$(PY) -m tests.abuse.run $(ABUSE)

# Without a sanitizer, because there is no unsafe code to watch: the stable toolchain is enough. An allocator that counts watches
# the memory. New inputs of a corpus stay in .cache; inputs that break something are written below fuzz/artifacts.
FUZZ_SECONDS ?= 60
FUZZ ?= image tiff json_body labelset_json tensors grpc_wire manifest text tokenizer_file
CARGO_FUZZ := .cache/cargo-fuzz/bin/cargo-fuzz
fuzz: ## random bytes for each parser of outside input, FUZZ_SECONDS (60) each (FUZZ="image text"); needs a C++ compiler
	test -x $(CARGO_FUZZ) || cargo install --locked cargo-fuzz --version 0.13.2 --root .cache/cargo-fuzz
	@for target in $(FUZZ); do \
		mkdir -p .cache/fuzz-corpus/$$target && \
		$(CARGO_FUZZ) run --sanitizer none --target-dir target/fuzz $$target .cache/fuzz-corpus/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 || exit 1; \
	done

soak: build python $(CLIENTS)/.installed ## an hour of all kinds of requests at 80 % of the server's capacity; memory, descriptors, threads and p99 must stay (SOAK="--minutes 5")
	$(PY) -m tests.bench.soak $(SOAK)

reference: python ## reference models with random weights, to measure speed
	$(foreach name,ViT-B-32 ViT-B-16,$(call REFERENCE,$(name),runs/reference,int8))

gpu-bundle: build python onnxruntime-cuda ## runs/gpu-bundle: a folder that measures on a CUDA machine without Rust and network (7 GB)
	mkdir -p runs/gpu-bundle/models
	$(foreach name,ViT-B-32 ViT-B-16 ViT-L-14,$(call REFERENCE,$(name),runs/gpu-bundle/models,fp16))
	cp -r .cache/onnxruntime-cuda $(CLIP_IN) deploy/gpu-bundle/measure.sh runs/gpu-bundle/

# Makes a reference model if it is missing: its name in open_clip, folder, precisions beside fp32.
define REFERENCE
	test -f $(2)/$(call lower,$(1))/bundle.json || $(TRAIN) reference --architecture $(1) --out $(2)/$(call lower,$(1))
	$(if $(3),$(TRAIN) variants --bundle $(2)/$(call lower,$(1)) --precisions $(3))

endef
lower = $(subst V,v,$(subst T,t,$(subst B,b,$(subst L,l,$(1)))))

lock: ## pin the Python requirements again (needs uv)
	cd models/training && uv pip compile --universal --fork-strategy fewest --python-version 3.10 --no-header --quiet --extra small --extra dev pyproject.toml -o requirements.txt
	uv pip compile --universal --fork-strategy fewest --python-version 3.10 --no-header --quiet -c models/training/requirements.txt tests/requirements.in -o tests/requirements.txt
	cd tests/python/clients && uv pip compile --universal --fork-strategy fewest --python-version 3.10 --no-header --quiet requirements.in -o requirements.txt
	cd deploy/examples/catalogue && uv pip compile --universal --fork-strategy fewest --python-version 3.10 --no-header --quiet requirements.in -o requirements.txt
	cd tests/python/catalogue && uv pip compile --universal --fork-strategy fewest --python-version 3.10 --no-header --quiet -c ../../../deploy/examples/catalogue/requirements.txt requirements.in -o requirements.txt
	cd tests/bench && uv pip compile --universal --python-version 3.11 --no-header --quiet requirements.in -o requirements.txt
	cd tests/bench && uv pip compile --universal --python-version 3.11 --no-header --quiet infinity-requirements.in -o infinity-requirements.txt
	cd tests/bench && uv pip compile --universal --python-version 3.11 --no-header --quiet textile-requirements.in -o textile-requirements.txt

clean: ## remove everything that was built and fetched
	rm -rf target .cache $(VENV)
