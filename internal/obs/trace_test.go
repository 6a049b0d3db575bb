package obs

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"sluice/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is an OTLP/HTTP collector.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	spans    map[string]*otlp.Span // by name
	resource map[string]string
	auth     string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{spans: map[string]*otlp.Span{}, resource: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	var body io.Reader = req.Body
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	b, err := io.ReadAll(body)
	var export collector.ExportTraceServiceRequest
	if err = errors.Join(err, proto.Unmarshal(b, &export)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.auth = req.Header.Get("Authorization")
	for _, rs := range export.GetResourceSpans() {
		for _, a := range rs.GetResource().GetAttributes() {
			r.resource[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				r.spans[s.GetName()] = s
			}
		}
	}
}

func newTracer(t *testing.T, o TraceOptions) *Tracer {
	t.Helper()
	tr, err := NewTracer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		_ = tr.Shutdown(ctx) // a second time does nothing
	})
	return tr
}

const clientParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestSpansArriveAtACollector(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	m := NewMetrics(MetricsOptions{})
	tr := newTracer(t, TraceOptions{
		Endpoint: r.URL + "/v1/traces", Sample: 0, Version: "v1", Metrics: m,
		Headers: map[string]llm.Secret{"Authorization": llm.NewSecret("Bearer k")},
	})
	start := time.Now()
	call := tr.Start(t.Context(), clientParent, "POST /v1/chat/completions", start)
	call.Str(AttrRequestModel, "smart")
	call.Int(AttrInputTokens, 12)
	call.Float(AttrTimeToFirstChunk, 0.25)
	call.Bool(AttrRequestStream, true)
	wait := call.Child("admit", start.Add(time.Millisecond))
	wait.End(start.Add(3 * time.Millisecond))
	first := call.Attempt("chat gpt-4o", start.Add(3*time.Millisecond))
	first.Fail(llm.KindOverloaded)
	first.Fail(llm.KindNone)
	passedOn := first.TraceParent()
	first.End(time.Time{})
	call.End(start.Add(time.Second))
	if got := call.TraceID(); got != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("trace id %s is not the client's", got)
	}
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	root, admit, attempt := r.spans["POST /v1/chat/completions"], r.spans["admit"], r.spans["chat gpt-4o"]
	if root == nil || admit == nil || attempt == nil {
		t.Fatalf("spans that arrived: %v", r.spans)
	}
	if got := hex.EncodeToString(root.GetParentSpanId()); got != "b7ad6b7169203331" {
		t.Errorf("the call's parent is %s, not the client's span", got)
	}
	for _, s := range []*otlp.Span{admit, attempt} {
		if !bytes.Equal(s.GetParentSpanId(), root.GetSpanId()) || !bytes.Equal(s.GetTraceId(), root.GetTraceId()) {
			t.Errorf("%s is not a child of the call", s.GetName())
		}
	}
	if want := "00-0af7651916cd43dd8448eb211c80319c-" + hex.EncodeToString(attempt.GetSpanId()) + "-01"; passedOn != want {
		t.Errorf("traceparent passed on = %s, want %s", passedOn, want)
	}
	if d := admit.GetEndTimeUnixNano() - admit.GetStartTimeUnixNano(); d != uint64(2*time.Millisecond) {
		t.Errorf("admit took %d ns, want 2 ms", d)
	}
	wantKinds(t, root, otlp.Span_SPAN_KIND_SERVER, admit, otlp.Span_SPAN_KIND_INTERNAL, attempt, otlp.Span_SPAN_KIND_CLIENT)
	if attempt.GetStatus().GetCode() != otlp.Status_STATUS_CODE_ERROR || root.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR {
		t.Errorf("status of the attempt %v, of the call %v", attempt.GetStatus(), root.GetStatus())
	}
	if got := attrs(attempt)["error.type"]; got != "provider_overloaded" {
		t.Errorf("error.type = %v", got)
	}
	want := map[string]any{
		"gen_ai.request.model": "smart", "gen_ai.usage.input_tokens": int64(12),
		"gen_ai.response.time_to_first_chunk": 0.25, "gen_ai.request.stream": true,
	}
	if d := cmp.Diff(want, attrs(root)); d != "" {
		t.Errorf("attributes of the call (-want +got):\n%s", d)
	}
	if r.resource["service.name"] != "sluice" || r.resource["service.version"] != "v1" || r.auth != "Bearer k" {
		t.Errorf("resource %v, authorization %q", r.resource, r.auth)
	}
	wantLines(t, scrape(t, m), `sluice_trace_spans_total{result="ok"} 3`)
}

func wantKinds(t *testing.T, pairs ...any) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if s := pairs[i].(*otlp.Span); s.GetKind() != pairs[i+1].(otlp.Span_SpanKind) {
			t.Errorf("kind of %s = %v, want %v", s.GetName(), s.GetKind(), pairs[i+1])
		}
	}
}

func attrs(s *otlp.Span) map[string]any {
	m := map[string]any{}
	for _, a := range s.GetAttributes() {
		switch v := a.GetValue(); {
		case v.GetStringValue() != "":
			m[a.GetKey()] = v.GetStringValue()
		case v.GetDoubleValue() != 0:
			m[a.GetKey()] = v.GetDoubleValue()
		case v.GetBoolValue():
			m[a.GetKey()] = true
		default:
			m[a.GetKey()] = v.GetIntValue()
		}
	}
	return m
}

func TestSampling(t *testing.T) {
	t.Parallel()
	notSampled := strings.TrimSuffix(clientParent, "1") + "0"
	f := func(sample float64, parent string, want bool) {
		t.Helper()
		tr := newTracer(t, TraceOptions{Endpoint: "http://127.0.0.1:1/v1/traces", Sample: sample})
		s := tr.Start(t.Context(), parent, "call", time.Now())
		if s.Recording() != want {
			t.Errorf("sample %v, parent %q: recording = %v, want %v", sample, parent, s.Recording(), want)
		}
		flag := map[bool]string{true: "1", false: "0"}[want]
		if got := s.Attempt("a", time.Now()).TraceParent(); len(got) != len(clientParent) || !strings.HasSuffix(got, flag) {
			t.Errorf("sample %v, parent %q: passes on %q", sample, parent, got)
		}
		if parent != "" && strings.HasPrefix(parent, "00-0af7") && s.TraceID() != parent[3:35] {
			t.Errorf("parent %q: trace id %s", parent, s.TraceID())
		}
	}
	f(0, clientParent, true)
	f(1, notSampled, false)
	f(0, "", false)
	f(1, "", true)
	f(1, "nonsense", true)
	f(0, "00-zz-01", false)
}

func TestOffIsNil(t *testing.T) {
	t.Parallel()
	tr, err := NewTracer(t.Context(), TraceOptions{Sample: 1})
	if tr != nil || err != nil {
		t.Fatalf("NewTracer without an endpoint = %v, %v", tr, err)
	}
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	s := tr.Start(t.Context(), clientParent, "call", time.Now())
	if s.TraceParent() != "" || s.TraceID() != "" || s.Recording() {
		t.Error("a span of no tracer says something")
	}
}

// traceCall does with spans what one call does.
func traceCall(ctx context.Context, tr *Tracer, now time.Time) {
	s := tr.Start(ctx, clientParent, "call", now)
	s.Str(AttrRequestModel, "m")
	s.Int(AttrInputTokens, 100)
	c := s.Child("admit", now)
	c.End(now)
	a := s.Attempt("chat m", now)
	a.Float(AttrTimeToFirstChunk, 0.3)
	a.Bool(AttrRequestStream, true)
	a.Fail(llm.KindOverloaded)
	_ = a.TraceParent()
	a.End(now)
	s.End(now)
}

// TestOffAllocatesNothing is not parallel: it counts the allocations of the whole process.
func TestOffAllocatesNothing(t *testing.T) {
	var off *Tracer
	now := time.Now()
	if n := testing.AllocsPerRun(1000, func() { traceCall(t.Context(), off, now) }); n != 0 {
		t.Errorf("a call without tracing allocates %v times", n)
	}
}

func TestBrokenCollectorIsCountedAndLogged(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusBadRequest)
	}))
	defer srv.Close()
	var log bytes.Buffer
	m := NewMetrics(MetricsOptions{})
	tr := newTracer(t, TraceOptions{Endpoint: srv.URL, Sample: 1, Metrics: m, Log: slog.New(slog.NewTextHandler(&log, nil))})
	traceCall(t.Context(), tr, time.Now())
	tr.Start(t.Context(), "", "call", time.Now()).End(time.Time{})
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	wantLines(t, scrape(t, m), `sluice_trace_spans_total{result="error"} 4`)
	if !strings.Contains(log.String(), "trace collector did not take spans") {
		t.Errorf("log: %q", log.String())
	}
}

func TestHungCollectorBlocksNeitherCallsNorShutdown(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) {
		select {
		case arrived <- struct{}{}:
		default:
		}
		<-release
	}))
	defer srv.Close()
	defer close(release)
	tr := newTracer(t, TraceOptions{Endpoint: srv.URL, Sample: 1})
	now := time.Now()
	for range 2 * spanQueue { // 3 spans each: many times what the queue holds
		traceCall(t.Context(), tr, now)
	}
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := tr.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown = %v, want the deadline", err)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("Shutdown took %v", d)
	}
}

func TestShutdownWithoutTimeStopsAll(t *testing.T) {
	t.Parallel()
	tr := newTracer(t, TraceOptions{Endpoint: "http://127.0.0.1:1/v1/traces", Sample: 1})
	traceCall(t.Context(), tr, time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown = %v, want canceled", err)
	}
	select {
	case <-tr.stopped:
	default:
		t.Error("the exporter runs on")
	}
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Errorf("second Shutdown = %v", err)
	}
}

func BenchmarkTraceOff(b *testing.B) {
	var off *Tracer
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		traceCall(b.Context(), off, now)
	}
}

func BenchmarkTraceNotSampled(b *testing.B) {
	tr, err := NewTracer(b.Context(), TraceOptions{Endpoint: "http://127.0.0.1:1/v1/traces"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = tr.Shutdown(b.Context()) }()
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		s := tr.Start(b.Context(), "", "call", now)
		s.Int(AttrInputTokens, 100)
		s.End(now)
	}
}
