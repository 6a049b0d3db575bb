package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/route"
	"sluice/internal/upstream"
)

// environ makes a look-up of the variables in pairs.
func environ(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func parse(t *testing.T, src string, env ...string) *Config {
	t.Helper()
	c, err := Parse("f.yaml", []byte(src), environ(env...))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	f := func(name, src string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f.yaml", []byte(src), environ("BAD", "many", "SECRET", "x"))
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("errors of\n%s\n(-want +got):\n%s", src, diff)
			}
		})
	}
	f("unknown key", "lisen: :8080\n", `f.yaml:1:1: lisen: is not a known key; did you mean "listen"?`)
	f("unknown key far from all", "tls: {zzzzzz: 1}\n", "f.yaml:1:7: tls.zzzzzz: is not a known key; known here: cert_file, key_file")
	f("unknown key of a later version", "tiers: {free: {seats: 10, concurrency: 2}}\n",
		"f.yaml:1:16: tiers.free.seats: is not a known key; known here: budget, budgets, concurrency, models, requests_per_day, rpm, tokens_per_day, tpm, users, weight")
	f("duplicate key", "listen: localhost:1\n\nlisten: localhost:2\n", "f.yaml:3:1: listen: is already set in line 1")
	f("every error at once", "listen: 127.0.0.1\nqueue:\n  max_wait: 5\n  max_calls: -1\nproviders:\n  a: {api: opanai}\nmodels:\n  m:\n    targets: [b/x]\n    wieght: 3\n",
		"f.yaml:1:9: listen: must be host:port, such as 127.0.0.1:8080 or :8080",
		"f.yaml:3:13: queue.max_wait: needs a unit, such as 5s or 5ms",
		"f.yaml:4:14: queue.max_calls: must not be negative, not \"-1\"",
		`f.yaml:6:12: providers.a.api: must be openai, anthropic, gemini, vertex, azure, bedrock, groq, together, fireworks, openrouter, mistral, deepseek, xai, cerebras, vllm, sglang, llamacpp, ollama, cohere, voyage, jina or sim, not "opanai"; did you mean "openai"?`,
		`f.yaml:9:15: models.m.targets[0]: there is no provider "b"; did you mean "a"?`,
		"f.yaml:10:5: models.m.wieght: is not a known key; known here: failover_on, guards, hedge, on_break, parameters, retry, strategy, structured, supervise, targets, timeouts")
	f("mapping where a value is due", "listen: {a: 1}\n", "f.yaml:1:9: listen: must be a single value, not a mapping")
	f("value where a mapping is due", "tls: yes\n", "f.yaml:1:6: tls: must be a mapping, not a single value")
	f("value where a list is due", "keys: team\n", "f.yaml:1:7: keys: must be a list, not a single value")
	f("values of a list", "failover_on: [auth, authh, 7, content-filter]\n",
		`f.yaml:1:21: failover_on[1]: must be auth, content_filter or rejected, not "authh"; did you mean "auth"?`,
		`f.yaml:1:28: failover_on[2]: must be auth, content_filter or rejected, not "7"`,
		`f.yaml:1:31: failover_on[3]: must be auth, content_filter or rejected, not "content-filter"; did you mean "content_filter"?`)
	f("a truth value where there are names for it", "supervise: false\nstructured: {stream: true}\n", `f.yaml:1:12: supervise: must be auto or off, not "false"`,
		`f.yaml:2:22: structured.stream: must be check, hold or off, not "true"`)
	f("keep-alives without end", "keep_alive: {interval: 1ms, whole: 9ms}\n",
		"f.yaml:1:24: keep_alive.interval: must be 0, or at least 10ms", "f.yaml:1:36: keep_alive.whole: must be 0, or at least 10ms")
	f("a recording over all of them", "resume: {buffer: 2MiB, max_bytes: 1MiB}\n", "f.yaml:1:18: resume.buffer: must not be more than max_bytes, which all recordings share")
	f("once for all models that have it", "on_break: stop\nretry: {base: 10s, max: 1s}\nfailover_on: [x]\nproviders: {p: {}}\nmodels:\n  a.b: {targets: [p/m], retry: {attempts: 2}}\n  c: {targets: [p/m], on_break: go, retry: {max: 2s}}\n",
		`f.yaml:1:11: on_break: must be error, continue or restart, not "stop"`,
		"f.yaml:2:25: retry.max: must not be less than base",
		`f.yaml:3:15: failover_on[0]: must be auth, content_filter or rejected, not "x"`,
		`f.yaml:7:33: models.c.on_break: must be error, continue or restart, not "go"`,
		"f.yaml:7:50: models.c.retry.max: must not be less than base")
	f("list as the file", "- a\n", "f.yaml:1:1: must be a mapping, not a list")
	f("number where text is due", "data_dir: 7\n", "f.yaml:1:11: data_dir: must be text (in quotes, if it looks like a number), not \"7\"")
	f("text where a number is due", "ledger: {group: \"512\"}\n", "f.yaml:1:17: ledger.group: must be a number without quotes, not \"512\"")
	f("size", "max_body: 32Mib\n", `f.yaml:1:11: max_body: must be a size such as 512KiB, 32MiB or a number of bytes, not "32Mib"`)
	f("share", "retry: {budget: 120%}\n", `f.yaml:1:17: retry.budget: must not be above 100% (1.0), not "120%"`)
	f("underscores", "ledger: {group: 5__0}\n", `f.yaml:1:17: ledger.group: must be a whole number such as 64 or 4_000_000, not "5__0"`)
	f("limit", "retry: {attempts: 0}\n", "f.yaml:1:19: retry.attempts: must be at least 1")
	f("duration limit", "ledger: {interval: 1us}\n", "f.yaml:1:20: ledger.interval: must be at least 1ms")
	f("too large", "ledger: {group: 99999999999999999999}\n", `f.yaml:1:17: ledger.group: is too large`)
	f("empty pool", "models: {m: {targets: []}}\n", "f.yaml:1:14: models.m.targets: must name at least one target, such as openai/gpt-4o")
	f("no pool", "models:\n  m: {strategy: failover}\n", "f.yaml:2:3: models.m.targets: must name at least one target, such as openai/gpt-4o")
	f("no providers", "providers: {}\n", "f.yaml:1:1: providers: is empty; without the key, providers come from the environment")
	f("target without a provider", "models: {m: {targets: [gpt]}}\n", `f.yaml:1:24: models.m.targets[0]: must be written provider/model, not "gpt"`)
	f("target twice", "models: {m: {targets: [sim/a, {target: sim/a}]}}\n", "f.yaml:1:40: models.m.targets[1].target: is the same as targets[0]")
	f("no weight", "models: {m: {strategy: weighted, targets: [{target: sim/a, weight: 0}]}}\n",
		"f.yaml:1:34: models.m.targets: have no weight above 0, so that strategy weighted could pick none")
	f("url", "providers: {a: {base_url: localhost:8000}}\n", "f.yaml:1:27: providers.a.base_url: must begin with http:// or https://")
	f("url of an operation", "providers: {a: {base_url: 'http://h/v1/chat/completions'}}\n",
		"f.yaml:1:27: providers.a.base_url: must end before /chat/completions, which is appended to it")
	f("policy", "models: {m: {targets: [sim/a]}}\nproviders: {sim: {}}\nparameters: refuse\n",
		`f.yaml:3:13: parameters: must be warn, drop or reject, not "refuse"`)
	f("url with a password", "providers: {a: {base_url: 'http://me:pa55@h/v1'}}\n",
		"f.yaml:1:27: providers.a.base_url: must not contain a user or password; use api_key or headers")
	f("provider name", "providers: {a/b: {}}\n", "f.yaml:1:13: providers.a/b: a provider's name can have letters, digits, dots, dashes and underscores only")
	f("sim settings elsewhere", "providers: {a: {sim: {seed: 1}}}\n", "f.yaml:1:17: providers.a.sim: has a meaning only with api: sim")
	f("sim settings", "providers: {a: {api: sim, sim: {latency: slow}}}\n",
		`f.yaml:1:42: providers.a.sim.latency: "slow" is neither model nor none`)
	f("reference in a setting that others check", "providers: {a: {api: sim, sim: {latency: '${BAD}'}}}\n",
		"f.yaml:1:42: providers.a.sim.latency: is not valid; its reference stands for something else")
	f("header", "providers: {a: {headers: {Content-Type: x, 'a b': y}}}\n",
		"f.yaml:1:41: providers.a.headers.Content-Type: is set by Sluice and cannot be changed",
		"f.yaml:1:51: providers.a.headers.a…: is no valid header name")
	f("tier", "tiers: {free: {}}\nkeys: [{name: a, key: 0123456789abcdef, tier: fre}]\n",
		`f.yaml:2:47: keys[0].tier: there is no tier "fre"; did you mean "free"?`)
	f("keys", "keys:\n  - {name: a, key: short}\n  - {name: a, key: 0123456789abcdef}\n  - {key: 0123456789abcdef}\n",
		"f.yaml:2:20: keys[0].key: has 5 bytes; a key must have 16 to 256",
		`f.yaml:3:12: keys[1].name: "a" is already the name of keys[0]`,
		`f.yaml:4:5: keys[2].name: is missing`,
		`f.yaml:4:11: keys[2].key: is the same as that of keys[1] ("a")`)
	f("database", "database: mysql://x\n", "f.yaml:1:11: database: must begin with postgres:// or postgresql://; SQLite needs data_dir only")
	f("tls", "tls: {cert_file: a}\n", "f.yaml:1:1: tls.key_file: is missing; tls needs cert_file and key_file")
	f("unset variable", "admin_key: ${NOPE}\n", "f.yaml:1:12: admin_key: environment variable NOPE is not set; ${NOPE:-} would allow that")
	f("reference of a bad number", "ledger: {group: ${BAD}}\n",
		"f.yaml:1:17: ledger.group: must be a whole number such as 64 or 4_000_000; its reference stands for something else")
	f("bad reference", "admin_key: a${1X}\n",
		"f.yaml:1:12: admin_key: has a reference that is not ${NAME}, ${NAME:-default} or ${file:/path}; write $${ for a literal ${")
	f("file that is not there", "admin_key: ${file:/no/such}\n", "f.yaml:1:12: admin_key: stat /no/such: no such file or directory")
	f("syntax", "a: b: c\n", "f.yaml:1:4: is no valid YAML: mapping value is not allowed in this context")
	f("empty", "", "f.yaml:1:1: is empty; without a file, providers come from the environment")
	f("comments only", "# nothing\n---\n", "f.yaml:1:1: is empty; without a file, providers come from the environment")
	f("two documents", "listen: localhost:1\n---\nlisten: localhost:2\n", "f.yaml:3:1: a second document begins here; a configuration is one")
	f("not UTF-8", "listen: \xff\n", "f.yaml:1:9: is not UTF-8")
	f("reserved character", "listen: \ue001\n", "f.yaml:1:9: character U+E001 is not allowed")
	f("deep", "a: "+strings.Repeat("[", 65), "f.yaml:1:68: nests deeper than 64")
	f("deep lists", strings.Repeat("- ", 65), "f.yaml:1:129: nests deeper than 64")
	f("too large a file", strings.Repeat("#", maxFile+1), "f.yaml:1:1: is larger than 1MiB")
	f("unknown anchor", "tls: *x\n", "f.yaml:1:6: tls: is an alias, and no anchor of that name is in the file")
	f("merge of itself", "tls: &x {<<: *x}\n", "f.yaml:1:14: tls: merges mappings too deep; is one merged into itself?")
	f("tag", "data_dir: !secret x\n", `f.yaml:1:11: data_dir: tag "!secret" has no meaning here`)
	f("Windows line ends", "log:\r\n  level: infos\r\n", `f.yaml:2:10: log.level: must be debug, info, warn or error, not "infos"; did you mean "info"?`)
	f("after other scripts", "data_dir: 'データ'\nlog: {level: 'ö', format: é}\n",
		"f.yaml:2:14: log.level: must be debug, info, warn or error",
		"f.yaml:2:27: log.format: must be auto, text or json")
}

func TestLoadValues(t *testing.T) {
	t.Parallel()
	c := parse(t, `
listen: localhost:1234
max_body: 1.5MiB
queue: {max_calls: 4_000_000, max_wait: 1m30s}
retry: {budget: 5%, attempts: ${N}}
timeouts: {idle: 7s}
providers:
  zed: {api_key: ${K}, headers: {X-A: "b: c"}, models: [a, "b*"]}
  abc: {base_url: http://h/v1/, concurrency: 3, quotas: [{models: [x], concurrency: 2}]}
models:
  gpt-4.1:
    strategy: weighted
    targets: [zed/a, {target: abc/x/y, weight: 5}]
    timeouts: {total: 1m}
response_model:
log: {level: ${LEVEL:-}, format: ${FORMAT:-json}}
data_dir: ${DIR}
`, "K", "sk: \"} #", "N", "7", "DIR", "a\nlisten: evil")
	if c.Ingress.Listen != "localhost:1234" || c.Ingress.MaxBody != 3<<19 || c.DataDir != "a\nlisten: evil" {
		t.Errorf("top level: %+v, data_dir %q", c.Ingress, c.DataDir)
	}
	if c.Queue.MaxQueue != 4_000_000 || c.Queue.MaxWait != 90*time.Second || c.Retry.Budget != 0.05 || c.Retry.Attempts != 7 {
		t.Errorf("numbers: %+v %+v", c.Queue, c.Retry)
	}
	if c.ResponseModel != ResponseModelUpstream || c.Obs.Log.Level != "info" || c.Obs.Log.Format != "json" {
		t.Errorf("absent keys: %q, %+v", c.ResponseModel, c.Obs.Log)
	}
	if len(c.Providers) != 2 || c.Providers[0].Name != "zed" || c.Providers[1].Name != "abc" {
		t.Fatalf("providers are not in the file's order: %+v", c.Providers)
	}
	zed, abc := c.Providers[0], c.Providers[1]
	if zed.URL() != upstream.DefaultBaseURL || zed.Headers["X-A"].Reveal() != "b: c" || zed.StreamUsage != "auto" || zed.API != "openai" {
		t.Errorf("zed: %+v", zed)
	}
	if abc.URL() != "http://h/v1" || abc.Quotas[0].Concurrency != 2 {
		t.Errorf("abc: %+v", abc)
	}
	m := c.Models[0]
	if diff := cmp.Diff([]route.TargetRef{{Target: "zed/a", Weight: 1}, {Target: "abc/x/y", Weight: 5}}, m.Targets); diff != "" {
		t.Errorf("targets: %s", diff)
	}
	if m.Name != "gpt-4.1" || m.Timeouts.Total != time.Minute || m.Timeouts.Idle != 7*time.Second || m.Retry != c.Retry {
		t.Errorf("model %+v does not take what it leaves out from the top", m)
	}
}

// A secret with line breaks cannot be a header, but it cannot become other keys either.
func TestReferenceCannotChangeShape(t *testing.T) {
	t.Parallel()
	_, err := Parse("f.yaml", []byte("providers: {a: {api_key: ${K}}}\n"), environ("K", "x\nadmin_key: evil"))
	want := "f.yaml:1:26: providers.a.api_key: must not contain a line break"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "key"), "from-file\r\n")
	write(t, filepath.Join(dir, "empty"), "\n")
	write(t, filepath.Join(dir, "big"), strings.Repeat("x", maxRefFile+1))
	f := func(value, want, wantErr string) {
		t.Helper()
		c, err := Parse(filepath.Join(dir, "f.yaml"), []byte("providers: {sim: {api: sim}}\nadmin_key: "+value+"\nlog: {level: info}\n"), environ("A", "one", "E", ""))
		if wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), wantErr) {
				t.Errorf("%s: error %v, want %s", value, err, wantErr)
			}
			return
		}
		if err != nil {
			t.Errorf("%s: %v", value, err)
			return
		}
		if got := c.Console.AdminKey.Reveal(); got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
	f("${A}", "one", "")
	f(`"${A}"`, "one", "")
	f("'${A}'", "one", "")
	f("x-${A}-${A}", "x-one-one", "")
	f("|\n  ${A}", "one\n", "")
	f("${U:-}", "", "")
	f("${E:-two}", "two", "")
	f("${U:-a, b: [c] {#d}", "a, b: [c] {#d", "")
	f("$${A}", "${A}", "")
	f("$5", "$5", "")
	f("${file:key}", "from-file", "")
	f("${file:"+filepath.Join(dir, "key")+"}", "from-file", "")
	f("${E}", "", "environment variable E is empty")
	f("${file:empty}", "", "is empty")
	f("${file:big}", "", "is larger than 64KiB")
	f("${file:.}", "", "is not a regular file")
	f("${A", "", "has a reference that is not")
}

func TestAliasesAndMerges(t *testing.T) {
	t.Parallel()
	c := parse(t, `
providers:
  a: &base {base_url: http://h/v1, concurrency: 2, models: &ms [x]}
  b: {<<: *base, concurrency: 3}
  c: {<<: [{region: r}, *base]}
  d: {models: *ms}
`)
	b, cc := c.Providers[1], c.Providers[2]
	if b.BaseURL != "http://h/v1" || b.Concurrency != 3 || cc.Region != "r" || cc.Concurrency != 2 || c.Providers[3].Models[0] != "x" {
		t.Errorf("merged: %+v", c.Providers)
	}
}

// Aliases multiply: the file is small, what it stands for is not.
func TestAliasBombIsBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("providers:\n  a: {models: &m [" + strings.Repeat("x,", 10_000) + "]}\n  b:\n    quotas:\n")
	for range 10_000 {
		b.WriteString("      - {models: *m}\n")
	}
	_, err := Parse("f.yaml", []byte(b.String()), environ())
	if err == nil || !strings.Contains(err.Error(), "a file can have 100000") || strings.Count(err.Error(), "one value too many") != 1 {
		t.Errorf("got %.300v", err)
	}
}

// A file that is none of ours gives a bounded answer in bounded time.
func TestManyProblems(t *testing.T) {
	t.Parallel()
	_, err := Parse("f.yaml", []byte("{"+strings.Repeat("x: y, ", 100_000)+"}"), environ())
	var bad *Error
	if !errors.As(err, &bad) || len(bad.Problems) != maxProblems+1 || len(bad.Excerpt()) > 400_000 {
		t.Errorf("got %.300v", err)
	}
	_, err = Parse("f.yaml", []byte(strings.Repeat("x", 100_000)+": y"), environ())
	if !errors.As(err, &bad) || len(bad.Error()) > 1000 {
		t.Errorf("long key: %.300v", err)
	}
}

func TestExcerpt(t *testing.T) {
	t.Parallel()
	src := "providers:\n\ta: 1\n"
	_, err := Parse("f.yaml", []byte("log:\n  level: inf\n  formt: x\n"), environ())
	var bad *Error
	if !errors.As(err, &bad) {
		t.Fatalf("got %v for %s", err, src)
	}
	want := `f.yaml:2:10: log.level: must be debug, info, warn or error, not "inf"; did you mean "info"?
    2 |   level: inf
      |          ^

f.yaml:3:3: log.formt: is not a known key; did you mean "format"?
    3 |   formt: *
      |   ^
`
	if diff := cmp.Diff(want, bad.Excerpt()); diff != "" {
		t.Errorf("excerpt (-want +got):\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	c, err := Load("", environ())
	if err != nil || c.File() != "" || c.Providers[0].API != "sim" {
		t.Errorf("without a file: %+v, %v", c, err)
	}
	if _, err := Load("none.yaml", environ()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("named file that is not there: %v", err)
	}
	write(t, DefaultFile, "\xef\xbb\xbfdata_dir: here\n")
	c, err = Load("", environ())
	if err != nil || c.File() != DefaultFile || c.DataDir != "here" {
		t.Errorf("default file: %+v, %v", c, err)
	}
	write(t, "big.yaml", strings.Repeat("#", maxFile+1))
	if _, err := Load("big.yaml", environ()); err == nil || !strings.Contains(err.Error(), "larger than 1MiB") {
		t.Errorf("big file: %v", err)
	}
}

func TestFromEnvSettings(t *testing.T) {
	t.Parallel()
	c, err := FromEnv(environ("SLUICE_LISTEN", ":1", "SLUICE_ADMIN_KEY", "a", "SLUICE_DATABASE_URL", "postgres://x", "SLUICE_DATA_DIR", "d", "DATABASE_URL", "mysql://other"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Ingress.Listen != ":1" || c.Console.AdminKey.Reveal() != "a" || c.Database.Reveal() != "postgres://x" || c.DataDir != "d" {
		t.Errorf("got %s", c.Redacted())
	}
	_, err = FromEnv(environ("SLUICE_LISTEN", "nowhere", "GROQ_API_KEY", "k", "GROQ_BASE_URL", "ftp://x"))
	want := "environment: GROQ_BASE_URL: must begin with http:// or https://\nenvironment: SLUICE_LISTEN: must be host:port, such as 127.0.0.1:8080 or :8080"
	if err == nil || sortLines(err.Error()) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func sortLines(s string) string {
	lines := strings.Split(s, "\n")
	if len(lines) == 2 && lines[0] > lines[1] {
		lines[0], lines[1] = lines[1], lines[0]
	}
	return strings.Join(lines, "\n")
}

// A file without providers takes them from the environment, and variables that a file makes useless are named.
func TestFileAndEnvironment(t *testing.T) {
	t.Parallel()
	c := parse(t, "listen: ${SLUICE_LISTEN}\n", "SLUICE_LISTEN", "localhost:5", "SLUICE_ADMIN_KEY", "a", "GROQ_API_KEY", "k")
	if c.Providers[0].Name != "groq" || c.Ingress.Listen != "localhost:5" || !c.Console.AdminKey.Empty() {
		t.Errorf("got %s", c.Redacted())
	}
	if n := c.Notices(); len(n) != 1 || n[0].Key != "SLUICE_ADMIN_KEY" {
		t.Errorf("notices %+v", n)
	}
}

func TestExposed(t *testing.T) {
	t.Parallel()
	f := func(src string, want bool) {
		t.Helper()
		if got := parse(t, src).Exposed() != nil; got != want {
			t.Errorf("%s: exposed is %t", src, got)
		}
	}
	f("listen: 127.0.0.1:1", false)
	f("listen: '[::1]:1'", false)
	f("listen: localhost:1", false)
	f("listen: :1", true)
	f("listen: 0.0.0.0:1", true)
	f("listen: localhost.example.com:1", true)
	f("{listen: 0.0.0.0:1, keys: [{name: a, key: 0123456789abcdef}]}", false)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
