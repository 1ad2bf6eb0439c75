# make run    the archive with its synthetic hospital on http://127.0.0.1:8080 (DICOM: 127.0.0.1:11112, YINGKU)
# make test   everything that must stay true; installs the peers that it talks to
# make lint   format, clippy, docs, licences, unused dependencies, spelling
# make bench  ingest and retrieval against DCMTK, Orthanc and nginx, memory, storage, stamping (docs/performance.md)
# make bench-find  queries of a million studies
# make fuzz   ten minutes for each fuzz target (FUZZ_SECONDS=600)
# make doc    the documentation of the code

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: run build test test-only lint bench bench-find fuzz doc venv packages-build packages-test packages-bench cargo \
        format-check format clippy deny machete typos lint-tools fuzz-tool

TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV := $(TARGET)/venv
TOOLS := $(abspath $(TARGET))/tools
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= header registry_xml token pdf_stamp

run: packages-build
	cargo build --release --locked
	exec $(TARGET)/release/yingku serve --demo

build: packages-build
	cargo build --release --locked

test: packages-build packages-test venv
	$(MAKE) --no-print-directory test-only

test-only:
	cargo test --locked

lint: packages-build format-check clippy doc lint-tools deny machete typos

# ---------------------------------------------------------------- what must be there
cargo:
	@command -v cargo >/dev/null || { echo "Rust is missing. Install it as https://rustup.rs says (1.95 or newer), then try again." >&2; exit 1; }
	@cargo --version | awk '{ split($$2, v, "."); if (v[1] < 1 || (v[1] == 1 && v[2] < 95)) { print "Rust 1.95 or newer is needed, this is " $$2 ": rustup update" > "/dev/stderr"; exit 1 } }'

packages-build: cargo
	@.ci/need cc:gcc c++:g++ cmake:cmake make:make

packages-test:
	@.ci/need storescu:dcmtk echoscu:dcmtk /usr/lib/postgresql/*/bin/initdb:postgresql chromium:chromium qpdf:qpdf \
	    Orthanc:orthanc /usr/share/orthanc/plugins/libOrthancDicomWeb.so:orthanc-dicomweb \
	    wsdl2h:gsoap /usr/include/stdsoap2.h:libgsoap-dev curl:curl cc:gcc \
	    pdftoppm:poppler-utils prlimit:util-linux setpriv:util-linux python3:python3-venv \
	    /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc:fonts-noto-cjk
	@python3 -c 'import ensurepip' 2>/dev/null || .ci/need /missing/ensurepip:python3-venv

packages-bench:
	@.ci/need storescp:dcmtk dcmqrscp:dcmtk Orthanc:orthanc /usr/sbin/nginx:nginx-light \
	    /usr/share/orthanc/plugins/libOrthancDicomWeb.so:orthanc-dicomweb

venv: $(VENV)/.complete

$(VENV)/.complete: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

# ---------------------------------------------------------------- lint
format:
	cargo fmt

format-check:
	cargo fmt --check

clippy:
	cargo clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

lint-tools: $(TOOLS)/bin/cargo-deny $(TOOLS)/bin/cargo-machete $(TOOLS)/typos/.complete

$(TOOLS)/bin/cargo-%:
	env -u CARGO_TARGET_DIR cargo install --quiet --locked --root $(TOOLS) cargo-$*

$(TOOLS)/typos/.complete:
	python3 -m venv $(TOOLS)/typos
	$(TOOLS)/typos/bin/python -m pip install --quiet --disable-pip-version-check typos
	touch $@

deny: $(TOOLS)/bin/cargo-deny
	PATH="$(TOOLS)/bin:$$PATH" cargo deny --all-features check --hide-inclusion-graph bans licenses sources
	@if PATH="$(TOOLS)/bin:$$PATH" timeout 60 cargo deny fetch db >/dev/null 2>&1; then \
	    PATH="$(TOOLS)/bin:$$PATH" cargo deny --all-features check --hide-inclusion-graph advisories; \
	else echo "The advisory database cannot be reached from here: advisories were not checked." >&2; fi

machete: $(TOOLS)/bin/cargo-machete
	PATH="$(TOOLS)/bin:$$PATH" cargo machete

typos: $(TOOLS)/typos/.complete
	$(TOOLS)/typos/bin/typos

# ---------------------------------------------------------------- bench and fuzz
bench: packages-build packages-bench
	cargo build --release --locked
	cargo bench --locked --bench ingest
	cargo bench --locked --bench retrieve
	cargo bench --locked --bench storage
	cargo bench --locked --bench stamp

# A million studies in SQLite and PostgreSQL: loads for a long time and takes some 20 GB under target/bench.
bench-find: packages-build packages-test
	cargo bench --locked --bench find

fuzz-tool: $(TOOLS)/bin/cargo-fuzz

# cargo-fuzz asks for a nightly compiler; the stable one can do the same when told so.
fuzz: packages-build fuzz-tool
	@set -e; for target in $(FUZZ_TARGETS); do \
	    echo "── fuzz $$target for $(FUZZ_SECONDS) s"; \
	    ASAN_OPTIONS=detect_odr_violation=0 RUSTC_BOOTSTRAP=1 PATH="$(TOOLS)/bin:$$PATH" \
        cargo fuzz run $$target fuzz/corpus/$$target $$(ls -d fixtures/$$target 2>/dev/null) -- \
	        -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -timeout=20 -print_final_stats=1; \
	done
