package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Sim is a simulated provider in a process of its own.
type Sim struct {
	*Proc
	URL string // base URL, with /v1
}

var simURL = regexp.MustCompile(`simulated provider at (\S+)`)

// StartSim starts `sluice sim` with a configuration file of the given text and further flags.
func StartSim(t testing.TB, config string, flags ...string) *Sim {
	t.Helper()
	dir := t.TempDir()
	file := WriteFile(t, filepath.Join(dir, "sim.yaml"), config)
	p := Start(t, dir, Env(), append([]string{"sim", "--listen", "127.0.0.1:0", "--config", file}, flags...)...)
	s := &Sim{Proc: p, URL: p.Match(t, simURL)}
	Eventually(t, Wait, func() error { _, err := get(s.Root() + "/sim/stats"); return err })
	return s
}

// Root returns the address without /v1.
func (s *Sim) Root() string { return strings.TrimSuffix(s.URL, "/v1") }

// SimStats is the part of the simulator's counts that tests read.
type SimStats struct {
	Requests, Open int64
	OpenStreams    int64 `json:"open_streams"`
	Aborted        int64
	Models         map[string]struct{ Requests, Refused, Aborted int64 }
}

// Stats returns the simulator's counts.
func (s *Sim) Stats(t testing.TB) SimStats {
	t.Helper()
	var st SimStats
	getJSON(t, s.Root()+"/sim/stats", &st)
	return st
}

// SimRequest is a request as the simulator got it.
type SimRequest struct {
	Header http.Header
	Body   []byte
	Model  string
	Method string
	Path   string
	Query  string
}

// Requests returns the requests that the simulator has recorded.
func (s *Sim) Requests(t testing.TB) []SimRequest {
	t.Helper()
	var rs []SimRequest
	getJSON(t, s.Root()+"/sim/requests", &rs)
	return rs
}

// Calls returns the recorded requests but for those that a gateway makes for itself: it asks for the list of models when it starts.
func (s *Sim) Calls(t testing.TB) []SimRequest {
	t.Helper()
	return slices.DeleteFunc(s.Requests(t), func(r SimRequest) bool { return r.Method == http.MethodGet })
}

// Gateway is a `sluice serve` process.
type Gateway struct {
	*Proc
	URL    string // without path
	File   string // configuration
	Dir    string // working directory, in which the ledger is
	Client *http.Client
}

var serveURL = regexp.MustCompile(`(?m)^Sluice \S+ on (\S+)$`)

// StartGateway starts `sluice serve` with a configuration file of the given text, to which it adds listen and data_dir, and
// waits until it is ready.
func StartGateway(t testing.TB, config string) *Gateway {
	t.Helper()
	dir := t.TempDir()
	file := WriteFile(t, filepath.Join(dir, "sluice.yaml"), Config(config))
	return ServeIn(t, dir, Env(), "--config", file)
}

// Config completes a configuration with an address and a directory.
func Config(text string) string {
	return "listen: 127.0.0.1:0\ndata_dir: ./data\n" + text
}

// ServeIn starts `sluice serve` with flags in a directory and waits until it is ready.
func ServeIn(t testing.TB, dir string, env []string, flags ...string) *Gateway {
	t.Helper()
	p := Start(t, dir, env, append([]string{"serve"}, flags...)...)
	g := &Gateway{Proc: p, Dir: dir, File: filepath.Join(dir, "sluice.yaml"), URL: p.Match(t, serveURL)}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	g.Client = &http.Client{Transport: transport, Timeout: Hang}
	t.Cleanup(transport.CloseIdleConnections)
	Eventually(t, Wait, func() error { _, err := get(g.URL + "/readyz"); return err })
	return g
}

// Answer is an HTTP answer, read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request with a body ("" for none), which is JSON unless the headers NAME: VALUE say otherwise.
func (g *Gateway) Do(method, path, body string, headers ...string) (*Answer, error) {
	resp, err := g.Open(method, path, body, headers...)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(b)}, err
}

// Open sends a request as Do does and returns the answer with its body still to be read.
func (g *Gateway) Open(method, path, body string, headers ...string) (*http.Response, error) {
	req, err := http.NewRequest(method, g.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	if body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return g.Client.Do(req)
}

// Post sends a request as Do does and fails the test if there is no answer.
func (g *Gateway) Post(t testing.TB, path, body string, headers ...string) *Answer {
	t.Helper()
	a, err := g.Do(http.MethodPost, path, body, headers...)
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	return a
}

// Metric returns the value of a metric's sample, written as in the text format, and 0 if there is none.
func (g *Gateway) Metric(t testing.TB, sample string) float64 {
	t.Helper()
	text, err := get(g.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), sample+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatalf("metric %s: %v", sample, err)
			}
			return v
		}
	}
	return 0
}

// InFlight returns the attempts under way at a target, and an error if the target is not known.
func (g *Gateway) InFlight(t testing.TB, target string) int {
	t.Helper()
	var v struct {
		Targets []struct {
			Name     string
			InFlight int `json:"in_flight"`
		}
	}
	getJSON(t, g.URL+"/admin/v1/targets", &v)
	for _, one := range v.Targets {
		if one.Name == target {
			return one.InFlight
		}
	}
	t.Fatalf("no target %q in %+v", target, v.Targets)
	return 0
}

// Chat returns the body of a chat request with one message.
func Chat(model, message string, stream bool) string {
	b, err := json.Marshal(map[string]any{
		"model": model, "stream": stream, "messages": []any{map[string]any{"role": "user", "content": message}},
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return string(b)
}

var plain = &http.Client{Timeout: 10 * time.Second}

// get returns the body of a 200 answer.
func get(url string) (string, error) {
	resp, err := plain.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: status %d: %s", url, resp.StatusCode, bytes.TrimSpace(b))
	}
	return string(b), err
}

func getJSON(t testing.TB, url string, v any) {
	t.Helper()
	text, err := get(url)
	if err == nil {
		err = json.Unmarshal([]byte(text), v)
	}
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
}
