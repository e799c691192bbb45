# libuldor. `make` builds the library and the tool, `make demo` shows them, `make test` tests everything.
VERSION := $(shell awk '/define ULDOR_VERSION_(MAJOR|MINOR|PATCH)/ {v = v s $$3; s = "."} END {print v}' include/uldor.h)
ABI := $(shell awk '/define ULDOR_ABI_VERSION/ {print $$3}' include/uldor.h)
SONAME := libuldor.so.$(ABI)

SWIFT ?= swift
PYTHON ?= python3
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share
INSTALL ?= install

LIBRARY := build/lib/$(SONAME)
TOOL := build/bin/uldor
VENV := .venv
BENCH_VENV := .venv-bench
TABLE1_VENV := .venv-table1
SOURCES := $(shell find Sources include -type f) Package.swift

# What only the shared library carries: its SONAME, the symbol version, a static Swift runtime, and no undefined symbols.
# $$ORIGIN finds a libomp.so.5 beside the library (the Python wheel) before the system's.
SHARED := -Xswiftc -static-stdlib -Xswiftc -use-ld=lld \
  -Xlinker -soname=$(SONAME) -Xlinker --version-script=$(CURDIR)/Sources/libuldor.map \
  -Xlinker -Bsymbolic -Xlinker -z -Xlinker nodelete
STRICT := -Xlinker -z -Xlinker defs -Xlinker -z -Xlinker noexecstack -Xlinker --gc-sections
# AddressSanitizer and UBSan; their symbols come from the program that loads the library, so undefined ones stay.
SANITIZE := --sanitize=address -Xswiftc -g -Xcc -g -Xcc -fno-omit-frame-pointer -Xcc -fsanitize=undefined \
  -Xcc -fno-sanitize-recover=undefined

all: $(LIBRARY) $(TOOL)

$(LIBRARY): $(SOURCES) | deps
	$(SWIFT) build -c release --product uldor $(SHARED) $(STRICT)
	mkdir -p build/lib
	cp "$$($(SWIFT) build -c release --show-bin-path)/libuldor.so" $@.new
	strip --strip-unneeded $@.new
	patchelf --set-rpath '$$ORIGIN' $@.new
	mv $@.new $@
	ln -sf $(SONAME) build/lib/libuldor.so

# The sanitized library, for `make -C Tests/abi check-asan`.
asan: build/asan/libuldor.so
build/asan/libuldor.so: $(SOURCES) | deps
	$(SWIFT) build -c release --product uldor --scratch-path .build-asan $(SANITIZE) $(SHARED)
	mkdir -p build/asan
	cp "$$($(SWIFT) build -c release --scratch-path .build-asan --show-bin-path)/libuldor.so" $@

$(TOOL): $(LIBRARY) $(wildcard examples/c/*.c examples/c/*.h examples/c/Makefile)
	$(MAKE) -C examples/c

# System packages, once (scripts/install-deps.sh says what and why).
deps: build/.deps
build/.deps: scripts/install-deps.sh
	sh scripts/install-deps.sh
	mkdir -p build && touch $@

$(VENV)/.ready: Tests/requirements.txt | deps
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip --quiet install --requirement Tests/requirements.txt
	touch $@

demo: all $(VENV)/.ready
	VENV=$(VENV) sh scripts/demo.sh

# The demo weights from nothing.
weights: all $(VENV)/.ready
	VENV=$(VENV) sh scripts/weights.sh

test: all $(VENV)/.ready
	VENV=$(VENV) SWIFT="$(SWIFT)" sh Tests/run.sh

parity: all $(VENV)/.ready
	sh scripts/parity.sh $(VENV)

# Beside the engines that a user would pick instead; BENCH="--quick" or any options of bench/run.py.
bench: all $(BENCH_VENV)/.ready
	$(BENCH_VENV)/bin/python bench/run.py $(BENCH)

$(BENCH_VENV)/.ready: bench/requirements.txt bench/setup.sh bench/torchvision_stubs.py | deps
	PYTHON=$(PYTHON) sh bench/setup.sh $(BENCH_VENV)
	touch $@

# The convolution kernels alone, layer by layer.
bench-kernels: | deps
	$(MAKE) -C bench/kernels run

# The paper's Table 1 on phantoms and, where ULDOR_STS says where they are, on sarcomas: docs/table1.md. QUICK=1: that it
# works, in five minutes; TABLE1="--data DeepLesion --init W.safetensors": on the real thing. Goes on where it was stopped.
table1: all $(TABLE1_VENV)/.ready
	$(TABLE1_VENV)/bin/python experiments/table1 $(if $(QUICK),--quick) $(TABLE1)

$(TABLE1_VENV)/.ready: experiments/table1/requirements.txt | deps
	$(PYTHON) -m venv $(TABLE1_VENV)
	$(TABLE1_VENV)/bin/pip --quiet install --requirement experiments/table1/requirements.txt
	touch $@

# Evaluation of a million images.
bench-froc: all
	$(PYTHON) bench/froc.py

wheel: all $(VENV)/.ready
	sh examples/python/bundle.sh
	$(VENV)/bin/pip wheel --quiet --no-deps --wheel-dir dist examples/python; status=$$?; \
	  sh examples/python/bundle.sh --clean; exit $$status

install: all
	$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(BINDIR) \
	  $(DESTDIR)$(DATADIR)/uldor $(DESTDIR)$(DATADIR)/man/man1
	$(INSTALL) -m 644 $(LIBRARY) $(DESTDIR)$(LIBDIR)/libuldor.so.$(VERSION)
	ln -sf libuldor.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libuldor.so
	$(INSTALL) -m 644 include/uldor.h $(DESTDIR)$(INCLUDEDIR)/uldor.h
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	  pkgconfig/uldor.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/uldor.pc
	$(INSTALL) -m 755 $(TOOL) $(DESTDIR)$(BINDIR)/uldor
	$(INSTALL) -m 644 examples/c/uldor.1 $(DESTDIR)$(DATADIR)/man/man1/uldor.1
	$(INSTALL) -m 644 share/uldor-demo.safetensors $(DESTDIR)$(DATADIR)/uldor/uldor-demo.safetensors

clean:
	rm -rf build .build .build-*

.PHONY: all asan deps demo weights test parity bench bench-kernels bench-froc table1 wheel install clean
