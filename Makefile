# make run     start the gateway
# make test    everything that must hold: format, vet, tests with the race detector, end-to-end tests
# make lint    format, vet, staticcheck
# make bench   compare with other proxies, as whole processes on this machine
# make conformance   what clients get when a provider misbehaves, as a scorecard
# make soak    ten minutes of callers and of every failure
# make bench-truth   hold what is measured against what is known to be true
# make bench-hedge   measure what hedging does to the time to first token
# make bench-scheduler   how much of quotas is used, in which order, and what is refused

GO    ?= go
TOOL   = $(GO) tool -modfile=tools/go.mod
ARGS  ?=
PKGS  ?= ./...

# The race detector needs a C compiler. A build server must have one; elsewhere its absence costs only the detector.
RACE  := $(if $(CI),-race,$(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race))

.PHONY: run build test check unit e2e fmt lint vuln bench bench-truth bench-hedge bench-scheduler conformance soak microbench fuzz generate report-page clean

run:
	$(GO) run ./cmd/sluice serve $(ARGS)

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/sluice ./cmd/sluice

test: check
	@test -n "$(RACE)" || echo "note: no C compiler, so tests run without the race detector"
	@for d in e2e/node web/report; do if [ -d $$d ]; then scripts/node-deps $$d || exit; fi; done
	scripts/with-services $(MAKE) --no-print-directory unit e2e

# check is what costs seconds.
check:
	@out=$$($(TOOL) gofumpt -l .) && test -z "$$out" || { echo "not formatted (make fmt does it):"; echo "$$out"; exit 1; }
	$(GO) vet $(PKGS)
	@if [ -f e2e/go.mod ]; then cd e2e && $(GO) vet ./...; fi

unit:
	$(GO) test $(RACE) -timeout 8m $(PKGS)

e2e:
	@if [ -f e2e/go.mod ]; then cd e2e && $(GO) test -timeout 5m ./...; fi

fmt:
	$(TOOL) gofumpt -w .

lint: check
	$(TOOL) staticcheck $(PKGS)

# vuln asks https://vuln.go.dev, so it is no part of lint.
vuln:
	@$(TOOL) govulncheck $(if $(VULNDB),-db $(VULNDB)) $(PKGS) || { s=$$?; \
	  test $$s = 3 || echo "govulncheck did not run; it needs to reach vuln.go.dev, or a copy named by: make vuln VULNDB=file:///path" >&2; exit $$s; }

bench:
	$(GO) run ./bench/gateway $(ARGS)

bench-truth:
	$(GO) run ./bench/truth $(ARGS)

bench-hedge:
	$(GO) run ./bench/hedge $(ARGS)

bench-scheduler:
	$(GO) run ./bench/scheduler $(ARGS)

conformance:
	$(GO) run ./bench/conformance $(ARGS)

soak:
	$(GO) run ./bench/soak $(ARGS)

# microbench runs each benchmark once, to see that it works; for numbers: make microbench BENCHTIME=1s
microbench:
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(or $(BENCHTIME),1x) $(PKGS)

fuzz:
	scripts/fuzz $(ARGS)

generate:
	$(GO) generate ./...

# report-page builds the script and style of the HTML report, which are committed.
report-page:
	scripts/node-deps web/report
	cd web/report && npm run -s check && npm run -s build

clean:
	rm -rf bin
