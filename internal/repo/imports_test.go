package repo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// order is the package list of docs/DESIGN.md, top to bottom, with packages that do not exist yet. A package may import
// those after it. obs stands above llm, which it imports for its vocabulary.
func order() []string {
	return []string{
		"cmd/sluice", "bench/gateway", "bench/truth", "bench/hedge", "bench/conformance", "bench/soak", "bench/scheduler", "bench/caller", "bench/rig", // programs, and what they share
		"app", "config", "ingress", "console", "store", "cluster", "sim", "live", "doctor", "tally", "bench", "report/page", "report", "plan", "workload", "stat", "batch", "jobs", "gateway",
		"auth", "cache", "route", "admit", "pace", "upstream", "ledger", "file", "thread", "replay", "guard", "shape",
		"dialect", "wire/openai", "wire/responses", "wire/anthropic", "wire/gemini", "wire/bedrock", "wire/cohere", "wire/http1", "wire", "model", "limit", "obs", "llm",
	}
}

// never are imports that the order would allow, each with the reason against it.
func never() []struct {
	from, to []string
	why      string
} {
	stages := []string{"auth", "cache", "route", "admit", "pace", "upstream", "ledger"}
	adapters := []string{"store", "cluster"}
	codecs := []string{"wire/openai", "wire/responses", "wire/anthropic", "wire/gemini", "wire/bedrock", "wire/cohere"}
	return []struct {
		from, to []string
		why      string
	}{
		{stages, stages, "stages never import each other; only gateway composes them"},
		{[]string{"sim", "bench", "bench/gateway", "bench/truth", "bench/hedge", "bench/conformance", "bench/soak", "bench/scheduler", "bench/caller", "bench/rig"}, []string{"gateway", "ingress", "app"}, "the measuring tool and the measured thing share only codecs"},
		{[]string{"ingress", "console", "batch", "jobs", "gateway"}, adapters, "adapters import the domain, never the reverse; app joins them"},
		{codecs, codecs, "a dialect knows itself only; another one goes through llm"},
		{[]string{"obs"}, []string{"wire", "model", "limit"}, "obs is told facts in the words of llm"},
	}
}

// testOnly are packages, ours and others', that production code must not import.
func testOnly() []string {
	return []string{
		"testing", "testing/synctest", "net/http/httptest", "testenv", "repo",
		"github.com/google/go-cmp/cmp", "go.uber.org/goleak", "pgregory.net/rapid",
	}
}

// homes says for the third-party modules which packages may import them. Clients and engines have one home each; an empty list
// means any package above wire.
func homes() map[string][]string {
	return map[string][]string{
		"github.com/prometheus":                    {"obs"},
		"go.opentelemetry.io":                      {"obs"},
		"github.com/jackc/pgx":                     {"store"},
		"github.com/pressly/goose":                 {"store"},
		"modernc.org/sqlite":                       {"store"},
		"github.com/fsnotify/fsnotify":             {"config"},
		"github.com/goccy/go-yaml":                 {"config", "workload", "cmd/sluice"},
		"github.com/invopop/jsonschema":            {"config"},
		"github.com/spf13/cobra":                   {"cmd/sluice"},
		"github.com/spf13/pflag":                   {"cmd/sluice"},
		"github.com/tiktoken-go/tokenizer":         {"model"},
		"github.com/tidwall/gjson":                 {"wire", "wire/openai", "wire/anthropic", "wire/gemini", "sim"},
		"github.com/clipperhouse":                  {"report"},
		"github.com/HdrHistogram":                  {"bench", "bench/rig", "report"},
		"github.com/aclements/go-moremath":         {"stat"},
		"charm.land/bubbletea":                     {"live"},
		"charm.land/lipgloss":                      {"live"},
		"github.com/charmbracelet/x/term":          {"live"},
		"github.com/aws/aws-sdk-go-v2":             {"upstream"},
		"golang.org/x/oauth2":                      {"upstream"},
		"github.com/santhosh-tekuri/jsonschema/v6": {"shape"},
		"github.com/redis/go-redis/v9":             {"cluster"},
		"golang.org/x/sync":                        {},
		"golang.org/x/time":                        {},
	}
}

// checkImports returns what is wrong with the imports of production files.
func checkImports(pkgs []pkg) []string {
	var bad []string
	rank := map[string]int{}
	for i, name := range order() {
		rank[name] = i
	}
	for _, p := range pkgs {
		from := p.short()
		fromRank, listed := rank[from]
		if !listed && !slices.Contains(testOnly(), from) {
			bad = append(bad, fmt.Sprintf("package %s is not in the list of packages (docs/DESIGN.md, order in internal/repo)", from))
			continue
		}
		for _, path := range p.Imports {
			to := short(path)
			switch {
			case slices.Contains(testOnly(), from):
			case slices.Contains(testOnly(), to):
				bad = append(bad, fmt.Sprintf("%s imports %s, which is for tests", from, to))
			case strings.HasPrefix(path, module+"/"):
				bad = append(bad, checkArrow(from, to, fromRank, rank)...)
			case strings.Contains(strings.SplitN(path, "/", 2)[0], "."):
				bad = append(bad, checkHome(from, path)...)
			}
		}
	}
	return bad
}

func checkArrow(from, to string, fromRank int, rank map[string]int) []string {
	toRank, ok := rank[to]
	if ok && toRank <= fromRank {
		return []string{fmt.Sprintf("%s imports %s: imports go down the list of packages only", from, to)}
	}
	for _, rule := range never() {
		if slices.Contains(rule.from, from) && slices.Contains(rule.to, to) {
			return []string{fmt.Sprintf("%s imports %s: %s", from, to, rule.why)}
		}
	}
	return nil // an import that is not in the list is reported as a package
}

func checkHome(from, path string) []string {
	if from == "llm" {
		return []string{fmt.Sprintf("llm imports %s: it imports the standard library only", path)}
	}
	for mod, home := range homes() {
		if path != mod && !strings.HasPrefix(path, mod+"/") {
			continue
		}
		if len(home) == 0 || slices.Contains(home, from) {
			return nil
		}
		return []string{fmt.Sprintf("%s imports %s, whose home is %s: a third-party client appears in one package", from, path, strings.Join(home, ", "))}
	}
	return []string{fmt.Sprintf("%s imports %s, which has no home: add it to homes in internal/repo and to docs/DEPENDENCIES.md", from, path)}
}

func TestImports(t *testing.T) {
	t.Parallel()
	report(t, checkImports(packages(t)))
}

func TestImportRulesFindViolations(t *testing.T) {
	t.Parallel()
	f := func(from, to, want string) {
		t.Helper()
		full := func(s string) string {
			if strings.HasPrefix(s, "cmd/") || strings.HasPrefix(s, "bench/") {
				return module + "/" + s
			}
			return module + "/internal/" + s
		}
		path := to
		if !strings.Contains(to, ".") && !strings.HasPrefix(to, "testing") {
			path = full(to)
		}
		got := checkImports([]pkg{{ImportPath: full(from), Imports: []string{path}}})
		switch {
		case want == "" && len(got) > 0:
			t.Errorf("%s -> %s: %v, want nothing", from, to, got)
		case want != "" && (len(got) != 1 || !strings.Contains(got[0], want)):
			t.Errorf("%s -> %s: %v, want one with %q", from, to, got, want)
		}
	}
	f("cmd/sluice", "app", "")
	f("gateway", "pace", "")
	f("store", "ledger", "")
	f("obs", "llm", "")
	f("wire/openai", "wire", "")
	f("obs", "github.com/prometheus/client_golang/prometheus", "")
	f("auth", "golang.org/x/sync/singleflight", "")
	f("pace", "gateway", "down the list")
	f("wire", "wire/openai", "down the list")
	f("llm", "obs", "down the list")
	f("route", "pace", "stages never import each other")
	f("admit", "pace", "stages never import each other")
	f("sim", "gateway", "share only codecs")
	f("bench/gateway", "gateway", "share only codecs")
	f("gateway", "store", "down the list")
	f("ingress", "store", "adapters import the domain")
	f("wire/openai", "wire/anthropic", "a dialect knows itself")
	f("obs", "model", "down the list")
	f("llm", "golang.org/x/sync/errgroup", "standard library only")
	f("gateway", "github.com/jackc/pgx/v5", "whose home is store")
	f("gateway", "github.com/someone/new", "has no home")
	f("gateway", "testing", "for tests")
	f("gateway", "go.uber.org/goleak", "for tests")
	f("gateway", "testenv", "for tests")
	f("util", "llm", "not in the list")
}
