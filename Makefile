# make run    the archive with its synthetic hospital on http://127.0.0.1:8080 (DICOM: 127.0.0.1:11112, YINGKU)
# make test   everything that must stay true; installs the peers that it talks to
# make build  the binary in target/release, with the viewer
# make web    the viewer for browsers (Node and npm), which the binary embeds
# make lint   format, the viewer's types and units, clippy, docs, licences, unused dependencies, spelling; make format formats
# make bench  ingest (on a slow disk, while the archive grows, start after a crash) and retrieval against DCMTK, Orthanc and nginx, memory,
#             storage, registration, the change feed, queries of studies and reports, stamping, composing (docs/performance.md)
# make bench-full     the same, the lists and the city at the sizes of docs/performance.md: hours, and some 70 GB under target/
# make bench-grow     ingest while the archive grows: SQLite to a million instances, PostgreSQL to ten million
# make bench-find     queries of a million studies
# make bench-lists    lists of the pages among a million exams
# make bench-web      the first image in a browser, beside OHIF and Orthanc's own viewer
# make bench-reports  queries of ten million reports
# make bench-city     fourteen hospitals, a region that follows, a server that is killed again and again
# make screenshots    docs/screenshots anew, from the demonstration
# make fuzz   ten minutes for each fuzz target (FUZZ_SECONDS=600)
# make doc    the documentation of the code

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: run build web web-check test test-only lint bench bench-full bench-grow bench-find bench-lists bench-web bench-reports bench-city screenshots fuzz doc venv packages-build packages-test packages-bench packages-web-bench packages-postgres cargo \
        format-check format clippy deny machete typos lint-tools fuzz-tool

TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV := $(TARGET)/venv
TOOLS := $(abspath $(TARGET))/tools
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= pdu identifier header multipart frame document segment registry_xml question value token pdf_stamp picture

run: packages-build web
	cargo build --release --locked
	exec $(TARGET)/release/yingku serve --demo

build: packages-build web
	cargo build --release --locked

test: packages-build packages-test venv web
	$(MAKE) --no-print-directory test-only

test-only:
	.ci/test

lint: packages-build format-check web-check clippy doc lint-tools deny machete typos

# ---------------------------------------------------------------- what must be there
cargo:
	@command -v cargo >/dev/null || { echo "Rust is missing. Install it as https://rustup.rs says (1.95 or newer), then try again." >&2; exit 1; }
	@cargo --version | awk '{ split($$2, v, "."); if (v[1] < 1 || (v[1] == 1 && v[2] < 95)) { print "Rust 1.95 or newer is needed, this is " $$2 ": rustup update" > "/dev/stderr"; exit 1 } }'

packages-build: cargo
	@.ci/need cc:gcc c++:g++ cmake:cmake make:make node:nodejs npm:npm
	@node -e 'const [a, b] = process.versions.node.split("."); if (a < 20 || (a == 20 && b < 19)) { console.error("Node 20.19 or newer is needed, this is " + process.version); process.exit(1) }'

packages-test:
	@.ci/need storescu:dcmtk echoscu:dcmtk /usr/lib/postgresql/*/bin/initdb:postgresql chromium:chromium qpdf:qpdf \
	    Orthanc:orthanc /usr/share/orthanc/plugins/libOrthancDicomWeb.so:orthanc-dicomweb \
	    node:nodejs mcs:mono-mcs mono:mono-runtime /usr/lib/mono/4.5/System.Core.dll:libmono-system-core4.0-cil javac:default-jdk-headless fpc:fp-compiler /usr/lib/*/fpc/*/units/*/hash/md5.ppu:fp-units-base psql:postgresql-client wsdl2h:gsoap /usr/include/stdsoap2.h:libgsoap-dev curl:curl cc:gcc \
	    pdftoppm:poppler-utils /usr/sbin/smbd:samba smbclient:smbclient tiffcp:libtiff-tools prlimit:util-linux setpriv:util-linux python3:python3-venv \
	    /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc:fonts-noto-cjk
	@python3 -c 'import ensurepip' 2>/dev/null || .ci/need /missing/ensurepip:python3-venv

packages-bench: cargo $(TOOLS)/bin/dicom-storescp
	@.ci/need storescp:dcmtk dcmqrscp:dcmtk Orthanc:orthanc /usr/sbin/nginx:nginx-light \
	    /usr/share/orthanc/plugins/libOrthancDicomWeb.so:orthanc-dicomweb

# OHIF as its makers publish it, known by its hash; what it was built from is not fetched.
OHIF := @ohif/app@3.13.2
OHIF_HASH := 5997719a9986eeba85816f5924b71b82bdd70ad2e2d4a0cd3e831a798e4f3deea3e06e1f8c48e393271933a0ba664d85f3b04ac457e9abe8dde715d907d13c10

packages-web-bench: $(TARGET)/web-bench/ohif/.complete
	@.ci/need chromium:chromium node:nodejs Orthanc:orthanc \
	    /usr/share/orthanc/plugins/libOrthancDicomWeb.so:orthanc-dicomweb \
	    /usr/share/orthanc/plugins/libOrthancWebViewer.so:orthanc-webviewer

$(TARGET)/web-bench/ohif/.complete:
	mkdir -p $(@D)
	cd $(@D)/.. && npm pack --silent --ignore-scripts $(OHIF)
	cd $(@D)/.. && echo "$(OHIF_HASH)  ohif-app-3.13.2.tgz" | sha512sum --check --quiet
	tar -xzf $(@D)/../ohif-app-3.13.2.tgz -C $(@D)
	touch $@

packages-postgres:
	@.ci/need /usr/lib/postgresql/*/bin/initdb:postgresql

venv: $(VENV)/.complete

$(VENV)/.complete: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

# ---------------------------------------------------------------- the viewer
WEB_SOURCES := $(shell find web/src -type f) web/build.mjs web/licenses.mjs web/vite.config.ts

web: web/dist/embedded.txt

web-check: web/node_modules/.complete
	cd web && npx tsc --noEmit false --rewriteRelativeImportExtensions --rootDir src --outDir unit/out && node unit/pixels.mjs && node unit/lookup.mjs && node unit/regions.mjs

web/node_modules/.complete: web/package.json web/package-lock.json
	cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

web/dist/embedded.txt: $(WEB_SOURCES) web/node_modules/.complete
	cd web && node build.mjs

# From the hospital of `serve --demo`, in Chromium. Look at each before it is committed.
screenshots: packages-build web
	@.ci/need chromium:chromium /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc:fonts-noto-cjk
	cargo build --release --locked
	cd web && PROGRAM=$(abspath $(TARGET))/release/yingku CHROMIUM=$$(command -v chromium) RENDERER=gpu \
	    SCREENSHOTS=$(CURDIR)/docs/screenshots OUT=$(abspath $(TARGET))/tmp/screenshots node e2e/screenshots.mjs

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

$(TOOLS)/bin/dicom-storescp:
	env -u CARGO_TARGET_DIR cargo install --quiet --locked --root $(TOOLS) --version 0.10.1 dicom-storescp

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
bench: packages-build packages-bench packages-postgres
	cargo build --release --locked
	cargo bench --locked --bench ingest
	YINGKU_BENCH_SECONDS=$${YINGKU_BENCH_SECONDS:-2} cargo bench --locked --bench ingest -- slow
	YINGKU_BENCH_PEERS=yingku YINGKU_BENCH_GROW=$${YINGKU_BENCH_GROW:-200000} cargo bench --locked --bench ingest -- grow
	cargo bench --locked --bench ingest -- replay
	cargo bench --locked --bench retrieve
	cargo bench --locked --bench storage
	cargo bench --locked --bench registry
	studies=$${YINGKU_BENCH_STUDIES:-100000}; YINGKU_BENCH_STUDIES=$$studies YINGKU_BENCH_FOLDER=$${YINGKU_BENCH_FOLDER:-target/bench}-find/$$studies \
	    cargo bench --locked --bench find
	YINGKU_BENCH_REPORTS=$${YINGKU_BENCH_REPORTS:-1000000} cargo bench --locked --bench reports
	cargo bench --locked --bench stamp
	cargo bench --locked --bench compose

bench-full:
	YINGKU_BENCH_GROW=1000000 YINGKU_BENCH_OBJECTS=1000000 YINGKU_BENCH_STUDIES=1000000 YINGKU_BENCH_REPORTS=10000000 $(MAKE) --no-print-directory bench
	$(MAKE) --no-print-directory bench-lists bench-city

# Takes an hour or two, and some 60 GB under target/bench until it ends.
bench-grow: packages-build packages-postgres
	YINGKU_BENCH_PEERS=yingku YINGKU_BENCH_ENGINES=sqlite YINGKU_BENCH_GROW=1000000 cargo bench --locked --bench ingest -- grow
	YINGKU_BENCH_PEERS=yingku YINGKU_BENCH_ENGINES=postgres YINGKU_BENCH_GROW=10000000 cargo bench --locked --bench ingest -- grow

# A million studies in SQLite and PostgreSQL: loads for a long time and takes some 20 GB under target/bench.
bench-find: packages-build packages-postgres
	cargo bench --locked --bench find

bench-lists: packages-build packages-postgres
	cargo bench --locked --bench lists

bench-web: packages-build packages-web-bench web
	cargo bench --locked --bench web

# Ten million reports in SQLite and PostgreSQL: loads for a long time and takes some 40 GB under target/bench.
bench-reports: packages-build packages-postgres
	cargo bench --locked --bench reports

bench-city: packages-build
	cargo bench --locked --bench registry -- city

fuzz-tool: $(TOOLS)/bin/cargo-fuzz

# cargo-fuzz asks for a nightly compiler; the stable one can do the same when told so.
fuzz: packages-build fuzz-tool venv
	@$(VENV)/bin/python fuzz/seeds.py fuzz/corpus
	@set -e; for target in $(FUZZ_TARGETS); do \
	    echo "── fuzz $$target for $(FUZZ_SECONDS) s"; \
	    mkdir -p fuzz/corpus/$$target; \
	    ASAN_OPTIONS=detect_odr_violation=0 RUSTC_BOOTSTRAP=1 PATH="$(TOOLS)/bin:$$PATH" \
        cargo fuzz run $$target fuzz/corpus/$$target $$(ls -d fixtures/$${target/registry_xml/report_registry} 2>/dev/null) -- \
	        -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -timeout=20 -print_final_stats=1; \
	done
