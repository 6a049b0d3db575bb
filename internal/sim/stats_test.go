package sim

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func decode(t *testing.T, a answer, v any) {
	t.Helper()
	if a.err != nil || a.status != 200 {
		t.Fatalf("got %d %s (%v)", a.status, a.body, a.err)
	}
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatal(err)
	}
}

// settled returns the counts once no request is under way. A client can see the end of its answer before the handler has
// returned. If one never does, the test ends by its time limit.
func settled(s *Server) Stats {
	for s.Stats().Open > 0 {
		runtime.Gosched()
	}
	return s.Stats()
}

func TestStatsAndRequests(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Record = 2
	s, c := start(t, cfg)
	first := parse(t, c.chat("sim-fast", "hi", "").body)
	c.chat("sim-fast:503", "hi", "")
	second := join(t, c.chat("sim-reasoning", "hi", streamed).body, 1)
	body := `{"model":"sim-embed", "input":"a b",  "odd":1.50}`
	c.do("POST", "/embeddings", body, "X-Odd", "yes")

	settled(s)
	var st Stats
	root := &client{t: t, url: strings.TrimSuffix(c.url, "/v1"), http: c.http}
	decode(t, root.do("GET", "/sim/stats", ""), &st)
	if diff := cmp.Diff(settled(s), st); diff != "" {
		t.Errorf("/sim/stats and Stats differ (-go +http):\n%s", diff)
	}
	if st.Requests != 4 || st.Refused != 1 || st.Open != 0 || st.OpenStreams != 0 || st.Faults["503"] != 1 ||
		st.Usage.Output != first.Usage.Completion+second.usage.Completion || st.Usage.Input != first.Usage.Prompt+second.usage.Prompt+2 ||
		st.Models["sim-reasoning"].Usage.Reasoning != second.usage.Out.Reasoning || st.Models["sim-fast"].Requests != 2 || st.Models["sim-fast"].Refused != 1 {
		t.Errorf("stats %+v", st)
	}
	got := s.Requests()
	if len(got) != 2 || string(got[1].Body) != body || got[1].Header.Get("X-Odd") != "yes" || got[1].Path != "/v1/embeddings" ||
		got[1].Status != 200 || !got[1].Done || got[1].Model != "sim-embed" || got[0].Seq != 3 {
		t.Errorf("requests %+v", got)
	}
	var over []RequestRecord
	decode(t, root.do("GET", "/sim/requests", ""), &over)
	if len(over) != 2 || string(over[1].Body) != body {
		t.Errorf("/sim/requests %+v", over)
	}
	var faults []FaultInfo
	decode(t, root.do("GET", "/sim/faults/known", ""), &faults)
	if diff := cmp.Diff(Faults(), faults); diff != "" {
		t.Errorf("/sim/faults/known (-want +got):\n%s", diff)
	}
	if a := root.do("POST", "/sim/reset", ""); a.status != 204 || s.Stats().Requests != 0 || len(s.Requests()) != 0 {
		t.Errorf("reset: %d, %+v", a.status, s.Stats())
	}
	if a := root.do("GET", "/sim/reset", ""); a.status != 405 {
		t.Errorf("GET /sim/reset: %d", a.status)
	}
	if a := root.do("POST", "/sim/stats", ""); a.status != 405 {
		t.Errorf("POST /sim/stats: %d", a.status)
	}
}

// TestAbortIsNoticed leaves a real connection in the middle of a stream and waits until the handler has ended.
func TestAbortIsNoticed(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Record = 1
	s, c := start(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/chat/completions",
		strings.NewReader(`{"model":"sim-fast:stall;after=3","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || !strings.HasPrefix(line, "data: ") {
		t.Fatalf("first line %q: %v", line, err)
	}
	if st := s.Stats(); st.OpenStreams != 1 || st.Open != 1 || st.Aborted != 0 {
		t.Errorf("during the stream: %+v", st)
	}
	left := time.Now()
	cancel()
	st := settled(s)
	r := s.Requests()[0]
	if st.Aborted != 1 || st.LastAbort.Before(left) || st.Usage.Output != 3 || st.OpenStreams != 0 || !r.Aborted || r.Usage.Output != 3 {
		t.Errorf("after the abort: %+v, record %+v", st, r)
	}
}

func TestCloseEndsStreamsAndIsNoAbort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTimed(t, steady(Speed{Batch: 1}))
		var wg sync.WaitGroup
		for range 3 { // one stalls, the others wait for its place
			wg.Go(func() { timed(t.Context(), s, "sim-fast:stall", "hi", streamed) })
		}
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		wg.Wait()
		if st := s.Stats(); st.Open != 0 || st.Aborted != 0 || st.Requests != 3 {
			t.Errorf("stats %+v", st)
		}
		if w := timed(t.Context(), s, "sim-fast", "hi", ""); w.Code != http.StatusServiceUnavailable {
			t.Errorf("after close: %d", w.Code)
		}
	})
}

func TestLifeOfTheServer(t *testing.T) {
	t.Parallel()
	s, err := New(quick())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err == nil {
		t.Error("Serve without Listen: no error")
	}
	if _, err := s.Listen("nonsense"); err == nil {
		t.Error("Listen on nonsense: no error")
	}
	if _, err := s.Listen(""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen(""); err == nil {
		t.Error("second Listen: no error")
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if err := s.Serve(); err != nil {
		t.Errorf("Serve after Close: %v", err)
	}
}

// TestHTTP2 serves over TLS, where a broken connection is a reset stream.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	s, err := New(quick())
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewUnstartedServer(s)
	ts.EnableHTTP2 = true
	ts.StartTLS()
	defer ts.Close()
	defer s.Close()
	tr := ts.Client().Transport.(*http.Transport)
	tr.TLSClientConfig = &tls.Config{RootCAs: tr.TLSClientConfig.RootCAs, NextProtos: []string{"h2"}}
	c := &client{t: t, url: ts.URL + "/v1", http: ts.Client()}
	a := c.chat("sim-fast", "hi", streamed)
	if j := join(t, a.body, 1); a.status != 200 || j.finishes[0] != "stop" || !j.done {
		t.Errorf("stream: %d %v", a.status, a.err)
	}
	if a := c.chat("sim-fast:cut", "hi", streamed); a.status != 200 || a.err == nil || errors.Is(a.err, io.EOF) {
		t.Errorf("cut: %d %v", a.status, a.err)
	}
	if a := c.chat("sim-fast:reset", "hi", ""); a.err == nil {
		t.Errorf("reset: %d", a.status)
	}
	if a := c.chat("sim-fast:stream-error", "hi", streamed); a.err != nil {
		t.Errorf("stream-error: %v", a.err)
	}
}

// TestManyStreams runs streams at the same time, each with another fault or none, and compares every answer with one that
// was got alone.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	s, c := start(t, quick())
	faults := []string{"", ":crlf", ":pings", ":usage-each", ":cut;after=3;form=eof", ":no-done"}
	want := map[string]string{}
	for i := range 60 {
		model, prompt := "sim-fast"+faults[i%len(faults)], fmt.Sprint("prompt ", i)
		want[model+prompt] = join(t, c.chat(model, prompt, streamed).body, 1).texts[0]
	}
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			model, prompt := "sim-fast"+faults[i%len(faults)], fmt.Sprint("prompt ", i%60)
			if got := join(t, c.chat(model, prompt, streamed).body, 1).texts[0]; got != want[model+prompt] {
				t.Errorf("%s, %s: %q, alone it was %q", model, prompt, got, want[model+prompt])
			}
		})
	}
	wg.Wait()
	if st := settled(s); st.Requests != 360 || st.Open != 0 || st.Aborted != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	f := func(c Config, want string) {
		t.Helper()
		_, err := New(c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v): %v, want %q", c, err, want)
		}
	}
	f(Config{Latency: "slow"}, `latency: "slow"`)
	f(Config{Record: -1}, "must not be negative")
	f(Config{Models: []ModelConfig{{Name: "a"}, {Name: "a"}}}, "there twice")
	f(Config{Models: []ModelConfig{{}}}, "models[0].name")
	f(Config{Models: []ModelConfig{{Name: "a", Kind: "x"}}}, "kind")
	f(Config{Models: []ModelConfig{{Name: "a", Output: Range{5, 2}}}}, "output")
	f(Config{Models: []ModelConfig{{Name: "a", RPM: -1}}}, "models[0].rpm: -1 is negative")
	f(Config{Models: []ModelConfig{{Name: "a", Dimensions: 1 << 20}}}, "dimensions")
	f(Config{Models: []ModelConfig{{Name: "a", Speed: Speed{Jitter: 4}}}}, "jitter")
	f(Config{Faults: []FaultRule{{}}}, "faults[0].fault: is missing")
	f(Config{Faults: []FaultRule{{Fault: "x"}}}, "unknown fault")
	f(Config{Faults: []FaultRule{{Fault: "503", Probability: 2}}}, "probability")
	f(Config{Latency: "x", Faults: []FaultRule{{Fault: "x"}}}, "latency")
}

// TestDocumentListsEveryFault compares the table of docs/SIM.md with Faults.
func TestDocumentListsEveryFault(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/SIM.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "<!-- faults -->\n")
	table, _, ok2 := strings.Cut(table, "<!-- /faults -->")
	if !ok || !ok2 {
		t.Fatal("docs/SIM.md has no table of faults between its marks")
	}
	want := "| fault | keys | what happens |\n| --- | --- | --- |\n"
	for _, f := range Faults() {
		keys := ""
		if f.Params != "" {
			keys = "`" + strings.ReplaceAll(f.Params, "|", `\|`) + "`"
		}
		want += fmt.Sprintf("| `%s` | %s | %s |\n", f.Name, keys, f.Doc)
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("table of faults in docs/SIM.md (-want +got):\n%s\nwanted table:\n%s", diff, want)
	}
}

// TestDocumentListsEveryDeviation compares the table of docs/SIM.md with the quirks.
func TestDocumentListsEveryDeviation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/SIM.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "<!-- deviations -->\n")
	table, _, _ = strings.Cut(table, "<!-- /deviations -->")
	want := "| provider | what differs |\n| --- | --- |\n"
	for i := range quirks {
		want += fmt.Sprintf("| `%s` | %s |\n", quirks[i].name, quirks[i].doc)
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("table of deviations in docs/SIM.md (-want +got):\n%s\nwanted table:\n%s", diff, want)
	}
}
