package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/config"
	"sluice/internal/doctor"
	"sluice/internal/llm"
	"sluice/internal/sim"
)

// runDoctor runs the command with a configuration and returns what it printed. Its data directory is a new one, and it listens
// nowhere that others could.
func runDoctor(t *testing.T, yaml string, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, []byte("listen: 127.0.0.1:0\n"+yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := newDoctorCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SetIn(strings.NewReader(""))
	cmd.SetArgs(append([]string{"-c", file, "--data-dir", filepath.Join(dir, "data")}, args...))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// doctored runs the command with --json.
func doctored(t *testing.T, yaml string, args ...string) (r doctorReport, err error) {
	t.Helper()
	out, err := runDoctor(t, yaml, append(args, "--json")...)
	if e := json.Unmarshal([]byte(out), &r); e != nil {
		t.Fatalf("%v (%v):\n%s", e, err, out)
	}
	return r, err
}

// checksOf returns the checks of an account, or of one of its targets.
func checksOf(t *testing.T, r *doctorReport, name string) []doctor.Check {
	t.Helper()
	for _, a := range r.Accounts {
		if a.Account == name {
			return a.Checks
		}
		for _, target := range a.Targets {
			if target.Target == name {
				return target.Checks
			}
		}
	}
	t.Fatalf("no %q in %+v", name, r.Accounts)
	return nil
}

// wantCheck looks for a check with its state, and texts in its detail and advice.
func wantCheck(t *testing.T, r *doctorReport, of, name string, state doctor.State, detail, do string) {
	t.Helper()
	for _, c := range checksOf(t, r, of) {
		if c.Name != name {
			continue
		}
		if c.State != state || !strings.Contains(c.Detail, detail) || !strings.Contains(c.Do, do) {
			t.Errorf("%s: %s %s: %q -> %q; want %s with %q and %q", of, c.State, name, c.Detail, c.Do, state, detail, do)
		}
		return
	}
	t.Errorf("%s: no check %q in %+v", of, name, checksOf(t, r, of))
}

// startSim serves a simulated provider over HTTP and returns its base URL.
func startSim(t *testing.T, c sim.Config) string {
	t.Helper()
	c.Latency = "none"
	s, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() { server.Close(); _ = s.Close() })
	return server.URL + "/v1"
}

func TestDoctorTargets(t *testing.T) {
	t.Parallel()
	url := startSim(t, sim.Config{APIKey: llm.NewSecret("sk-the-right-key"), Models: []sim.ModelConfig{
		{Name: "good", RPM: 600, TPM: 600_000}, {Name: "vectors-embed", Kind: "embedding"}, {Name: "empty", RPM: 1},
	}})
	yaml := fmt.Sprintf(`
providers:
  p: {base_url: %q, api_key: "${RIGHT_KEY:-sk-the-right-key}", models: [good, vectors-embed, "good*"]}
  wrong: {base_url: %q, api_key: "${WRONG_KEY:-sk-the-wrong-key}", models: [good]}
  none: {base_url: %q, models: [good]}
models:
  m: {targets: [p/good, "p/good:429;after=7", "p/good:stall;after=3", "p/good:no-usage", "p/good:no-done+cut;after=2",
      "p/good:500", "p/good:503", "p/good:quota", "p/good:401", p/goood, "p/good:silent"]}
`, url, url, url)
	r, err := doctored(t, yaml, "--timeout", "400ms")
	if err == nil || !strings.Contains(err.Error(), "checks failed") {
		t.Errorf("error %v, want failed checks", err)
	}
	wantCheck(t, &r, "p", "tcp", doctor.OK, "connected to 127.0.0.1:", "")
	wantCheck(t, &r, "p", "models", doctor.OK, "3 listed", "")
	wantCheck(t, &r, "p", "clock", doctor.OK, "agrees", "")
	wantCheck(t, &r, "p/good", "call", doctor.OK, "first token after", "")
	wantCheck(t, &r, "p/good", "usage", doctor.OK, "16 output tokens", "")
	wantCheck(t, &r, "p/good", "limits", doctor.OK, "600 requests a minute", "")
	wantCheck(t, &r, "p/vectors-embed", "call", doctor.OK, "answered", "")
	wantCheck(t, &r, "p/good:429;after=7", "call", doctor.Warn, "provider_rate_limited", "to wait 7s")
	wantCheck(t, &r, "p/good:stall;after=3", "call", doctor.Fail, "total_timeout", "--timeout gives it longer")
	wantCheck(t, &r, "p/good:silent", "call", doctor.Fail, "total_timeout", "hangs")
	wantCheck(t, &r, "p/good:no-usage", "usage", doctor.Warn, "no usage", "estimates")
	wantCheck(t, &r, "p/good:no-done+cut;after=2", "call", doctor.Fail, "provider_truncated", "breaks off")
	wantCheck(t, &r, "p/good:500", "call", doctor.Fail, "provider_error", "status page")
	wantCheck(t, &r, "p/good:503", "call", doctor.Warn, "provider_overloaded", "second target")
	wantCheck(t, &r, "p/good:quota", "call", doctor.Fail, "provider_quota_exhausted", "billing")
	wantCheck(t, &r, "p/good:401", "call", doctor.Fail, "provider_auth_failed", "api_key of providers.p")
	wantCheck(t, &r, "p/goood", "model", doctor.Fail, "404", "the provider lists: good")
	wantCheck(t, &r, "wrong", "key", doctor.Fail, "401", "api_key of providers.wrong")
	wantCheck(t, &r, "wrong/good", "call", doctor.Skip, "see above", "")
	wantCheck(t, &r, "none", "key", doctor.Fail, "401", "wants a key")
	for _, secret := range []string{"sk-the-right-key", "sk-the-wrong-key"} {
		if text, _ := json.Marshal(r); bytes.Contains(text, []byte(secret)) {
			t.Errorf("the key %s is shown:\n%s", secret, text)
		}
	}
	if len(r.Machine) < 5 || !r.Called || r.Failures < 8 || r.Warnings < 3 {
		t.Errorf("machine %d checks, called %v, %d failures, %d warnings", len(r.Machine), r.Called, r.Failures, r.Warnings)
	}
	// What is proposed can be pasted.
	c, err := config.Parse("x.yaml", []byte(r.Quotas), func(string) (string, bool) { return "", false })
	if err != nil || len(c.Providers) != 1 || c.Providers[0].Quotas[0].RPM != 600 || c.Providers[0].Quotas[0].Models[0] != "good" {
		t.Errorf("quotas: %v, %v\n%s", c, err, r.Quotas)
	}
}

// Whatever limits are stated, what is proposed of them is a configuration without a problem.
func TestDoctorProposalsCanBePasted(t *testing.T) {
	t.Parallel()
	var reports []doctor.AccountReport
	for _, unit := range []string{"requests", "tokens", "input_tokens", "output_tokens", "images"} {
		a := doctor.AccountReport{Account: "p-" + strings.ReplaceAll(unit, "_", "-")}
		for i, window := range []time.Duration{time.Second, 10 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
			l := doctor.Limit{Unit: unit, Amount: 1000, Left: -1, Window: window, Header: "x-ratelimit-limit-" + unit}
			twice := l
			twice.Amount, twice.Header, twice.Guessed = 500, l.Header+"-project", true
			a.Targets = append(a.Targets, doctor.TargetReport{Model: fmt.Sprintf("org/m: %d", i), Limits: []doctor.Limit{l, twice}})
		}
		reports = append(reports, a)
	}
	text := doctor.ProposeQuotas(reports)
	c, err := config.Parse("x.yaml", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	quotas := map[string]int{}
	for _, p := range c.Providers {
		quotas[p.Name] = len(p.Quotas)
	}
	if want := map[string]int{"p-requests": 4, "p-tokens": 4, "p-input-tokens": 3, "p-output-tokens": 3, "p-images": 0}; !maps.Equal(quotas, want) {
		t.Errorf("quotas %v, want %v\n%s", quotas, want, text)
	}
	if q := c.Providers[0].Quotas[0]; q.RPM != 30_000 || q.Enforced != "seconds" || q.Models[0] != "org/m: 0" {
		t.Errorf("a second's 500 requests: %+v\n%s", q, text)
	}
}

func TestDoctorWays(t *testing.T) {
	t.Parallel()
	s, err := sim.New(sim.Config{Latency: "none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	secure := httptest.NewUnstartedServer(s)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it says that the certificate was refused
	secure.StartTLS()
	t.Cleanup(secure.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	ln.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/models" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, "<html>welcome</html>")
	}))
	t.Cleanup(page.Close)
	r, err := doctored(t, fmt.Sprintf(`
providers:
  self: {base_url: %q, models: [sim-fast]}
  closed: {base_url: "http://%s/v1", models: [x]}
  page: {base_url: %q, models: [x]}
  html: {base_url: %q, models: [x]}
  clear: {base_url: "http://provider.invalid/v1", api_key: "${K:-sk-clear-text}", headers: {X-Key: "${H:-header-secret}"}}
`, secure.URL+"/v1", closed, page.URL, page.URL+"/app"))
	if err == nil {
		t.Error("no error")
	}
	wantCheck(t, &r, "self", "tls", doctor.Fail, "unknown authority", "SSL_CERT_FILE")
	wantCheck(t, &r, "self/sim-fast", "call", doctor.Skip, "", "")
	wantCheck(t, &r, "closed", "tcp", doctor.Fail, "refused", "nothing listens there")
	wantCheck(t, &r, "page", "models", doctor.Warn, "404", "no version part")
	wantCheck(t, &r, "page/x", "call", doctor.Fail, "", "")
	wantCheck(t, &r, "html", "models", doctor.Warn, "no JSON", "base_url")
	wantCheck(t, &r, "clear", "settings", doctor.Warn, "key secret:", "clear text")
	wantCheck(t, &r, "clear", "dns", doctor.Fail, "provider.invalid", "")
}

// TestDoctorFindsWords is for servers that refuse a parameter: they are asked again, without it.
func TestDoctorFindsWords(t *testing.T) {
	t.Parallel()
	s, err := sim.New(sim.Config{Latency: "none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	refuse := func(parameter string, calls *atomic.Int32) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			if r.Method == http.MethodPost {
				calls.Add(1)
			}
			if strings.Contains(body.String(), `"`+parameter+`"`) {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"error":{"message":"Unsupported parameter","type":"invalid_request_error","param":%q}}`, parameter)
				return
			}
			again := r.Clone(r.Context())
			again.Body = struct {
				*bytes.Reader
				nopCloser
			}{Reader: bytes.NewReader(body.Bytes())}
			s.ServeHTTP(w, again)
		}))
		t.Cleanup(server.Close)
		return server.URL + "/v1"
	}
	var limit, usage atomic.Int32
	yaml := fmt.Sprintf("providers:\n  reasoner: {base_url: %q, models: [sim-fast]}\n  old: {base_url: %q, models: [sim-fast]}\n",
		refuse("max_tokens", &limit), refuse("stream_options", &usage))
	r, err := doctored(t, yaml)
	if err != nil {
		t.Errorf("%v: %+v", err, r)
	}
	wantCheck(t, &r, "reasoner/sim-fast", "usage", doctor.OK, "16 output tokens", "")
	wantCheck(t, &r, "old/sim-fast", "usage", doctor.Warn, "refused", "stream_usage: off at providers.old")
	if limit.Load() != 2 || usage.Load() != 3 {
		t.Errorf("%d and %d requests, want 2 and 3", limit.Load(), usage.Load())
	}
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

func TestDoctorWithoutCalls(t *testing.T) {
	t.Parallel()
	var posts, gets atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.Add(1)
		}
		gets.Add(1)
		fmt.Fprint(w, `{"data":[{"id":"some-embed"},{"id":"chatty"}]}`)
	}))
	t.Cleanup(server.Close)
	yaml := fmt.Sprintf("providers:\n  p: {base_url: %q}\n  s: {api: sim}\n", server.URL)
	r, err := doctored(t, yaml, "--no-call")
	if err != nil || posts.Load() != 0 || r.Called || len(r.Plan) != 5 || r.Plan[0].Target != "p/chatty" {
		t.Errorf("no call: %v, %d posts, %+v", err, posts.Load(), r)
	}
	before := gets.Load()
	out, err := runDoctor(t, "providers:\n  openai: {api_key: \"${K:-sk-none}\", models: [gpt-4o-mini, unheard-of]}\n  s: {api: sim, models: [sim-fast]}\n", "--dry-run")
	if err != nil || gets.Load() != before {
		t.Fatalf("dry run: %v, %d requests", err, gets.Load()-before)
	}
	// 40 tokens at $0.15 and 16 at $0.60 a million.
	want := "openai/gpt-4o-mini $0.000016 at most\nopenai/unheard-of price unknown\ns/sim-fast free\n3 calls: at most $0.000016 and 1 call of unknown price\n"
	var got strings.Builder
	for line := range strings.Lines(out) {
		got.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	if got.String() != want {
		t.Errorf("dry run:\n%s\nwant\n%s", got.String(), want)
	}
}

func TestDoctorNames(t *testing.T) {
	t.Parallel()
	yaml := "providers:\n  a: {api: sim, sim: {latency: none}}\n  b: {api: sim, sim: {latency: none}}\nmodels:\n  m: {targets: [a/sim-fast, b/sim-slow]}\n"
	f := func(want string, args ...string) {
		t.Helper()
		r, err := doctored(t, yaml, args...)
		if err != nil {
			t.Errorf("%v: %v", args, err)
		}
		var targets []string
		for _, a := range r.Accounts {
			for _, target := range a.Targets {
				targets = append(targets, target.Target)
			}
		}
		if got := strings.Join(targets, " "); got != want {
			t.Errorf("%v: %s, want %s", args, got, want)
		}
	}
	f("a/sim-fast b/sim-slow")
	f("a/sim-fast b/sim-slow", "m")
	f("b/sim-slow", "b")
	f("a/sim-embed b/sim-slow", "b", "a/sim-embed")
	for _, name := range []string{"c/x", "mm", "a/"} {
		if _, err := runDoctor(t, yaml, name); err == nil || !strings.Contains(err.Error(), "provider/model of the configuration") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDoctorText(t *testing.T) {
	t.Parallel()
	out, err := runDoctor(t, "providers:\n  s: {api: sim, models: [sim-fast, \"sim-fast:401\"], sim: {latency: none}}\n")
	if err == nil || err.Error() != "doctor: 1 check failed" {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{
		"this machine  ", "  ok    data directory  ", "  ok    database        sqlite ", "\ns  http://127.0.0.1:", "\n  s/sim-fast\n    ok    call            answered in ",
		"\n    fail  call            provider_auth_failed: ", "\n                          -> the server wants a key", "\n1 failure, 0 warnings.\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	if _, err := runDoctor(t, "providers:\n  s: {api: nonsense}\n"); err == nil || !strings.Contains(err.Error(), "configuration is wrong") {
		t.Errorf("a bad configuration: %v", err)
	}
	if _, err := runDoctor(t, "", "--timeout", (-time.Second).String()); err == nil || !strings.Contains(err.Error(), "--timeout is -1s") {
		t.Errorf("a bad flag: %v", err)
	}
}

// TestDoctorDialects calls accounts that do not speak OpenAI's protocol in their own, each paid in its own way: the simulator checks
// signatures, and tokens that it gave for signed assertions.
func TestDoctorDialects(t *testing.T) {
	t.Parallel()
	private, public := rsaKeys(t)
	url := strings.TrimSuffix(startSim(t, sim.Config{
		APIKey: llm.NewSecret("sk-the-right-key"), Models: []sim.ModelConfig{{Name: "good"}, {Name: "claude-good"}, {Name: "anthropic.good"}},
		Google: sim.ServiceAccount{Email: "robot@p", PublicKey: public},
		AWS:    sim.AWSKeys{AccessKey: "AKID", SecretKey: llm.NewSecret("aws-secret"), Region: "eu-west-1"},
	}), "/v1")
	account, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "robot@p", "private_key": private, "token_uri": url + "/token"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "google.json")
	if err := os.WriteFile(file, account, 0o600); err != nil {
		t.Fatal(err)
	}
	const key = `api_key: "${RIGHT_KEY:-sk-the-right-key}"`
	yaml := strings.NewReplacer("URL", url, "FILE", file, "KEY", key).Replace(`
providers:
  claude: {api: anthropic, base_url: "URL", KEY, models: [good]}
  google: {api: gemini, base_url: "URL", KEY, models: [good]}
  azure: {base_url: "URL", KEY, models: [good], deployments: {good: good}}
  classic: {api: azure, base_url: "URL", KEY, models: [good], api_version: 2024-10-21}
  vertex: {base_url: "URL", project: p, location: global, credentials: "${file:FILE}", models: [good, claude-good]}
  bedrock: {base_url: "URL", region: eu-west-1, access_key: "${AKID:-AKID}", secret_key: "${SECRET:-aws-secret}", models: [good, anthropic.good]}
  wrong: {api: bedrock, base_url: "URL", region: eu-west-1, access_key: "${AKID:-AKID}", secret_key: "${SECRET:-other}", models: [good]}
`)
	r, err := doctored(t, yaml, "--yes")
	if err == nil {
		t.Error("a wrong key was taken")
	}
	for _, name := range []string{"claude", "google"} {
		wantCheck(t, &r, name, "models", doctor.OK, "listed", "")
	}
	for _, name := range []string{"claude/good", "google/good", "azure/good", "classic/good", "vertex/good", "vertex/claude-good", "bedrock/good", "bedrock/anthropic.good"} {
		wantCheck(t, &r, name, "call", doctor.OK, "first token after", "")
		wantCheck(t, &r, name, "usage", doctor.OK, "reported", "")
	}
	wantCheck(t, &r, "wrong/good", "call", doctor.Fail, "provider_auth_failed", "")
	if text := fmt.Sprint(r); strings.Contains(text, "aws-secret") || strings.Contains(text, "PRIVATE KEY") {
		t.Error("a credential is in the report")
	}
}

// rsaKeys makes a pair of keys, in PEM.
func rsaKeys(t *testing.T) (private, public string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	open, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open}))
}
