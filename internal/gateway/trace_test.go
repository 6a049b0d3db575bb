package gateway_test

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/obs"
)

// spans is an OTLP/HTTP collector.
type spans struct {
	mu   sync.Mutex
	byID map[string]*otlp.Span
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b, err := io.ReadAll(z)
	var export collector.ExportTraceServiceRequest
	if err = errors.Join(err, proto.Unmarshal(b, &export)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rs := range export.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, one := range ss.GetSpans() {
				s.byID[hex.EncodeToString(one.GetSpanId())] = one
			}
		}
	}
}

// TestEachAttemptHasASpan retries a call under tracing: what a provider is sent as traceparent is the span of the attempt,
// within the trace of the client.
func TestEachAttemptHasASpan(t *testing.T) {
	t.Parallel()
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	got := &spans{byID: map[string]*otlp.Span{}}
	server := httptest.NewServer(got)
	defer server.Close()
	tracer, err := obs.NewTracer(t.Context(), obs.TraceOptions{Endpoint: server.URL + "/v1/traces", Sample: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := steps(fail(503), ok)
	o := at(s)
	o.tracer = tracer
	o.settings = func(c *gateway.Settings) { c.Retry.Base = time.Millisecond }
	rd := newRoad(t, o) // on real time: the exporter has connections of its own
	w := rd.chat("p/m", func(x *gateway.Exchange) { x.Call.TraceParent = "00-" + traceID + "-b7ad6b7169203331-01" })
	w.want(llm.KindNone, 2)
	if row := rd.row(w); row.TraceID != traceID {
		t.Errorf("row has trace %q", row.TraceID)
	}
	rd.close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := tracer.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}

	var ids []string
	for i, request := range s.got() {
		parts := strings.Split(request.header.Get("Traceparent"), "-")
		if len(parts) != 4 || parts[1] != traceID {
			t.Fatalf("attempt %d was sent traceparent %q", i, parts)
		}
		ids = append(ids, parts[2])
		span := got.byID[parts[2]]
		if span == nil {
			t.Fatalf("the span of attempt %d was not exported", i)
		}
		call := got.byID[hex.EncodeToString(span.GetParentSpanId())]
		if call == nil || hex.EncodeToString(call.GetParentSpanId()) != "b7ad6b7169203331" {
			t.Errorf("attempt %d is not within the call's span, or that not within the client's", i)
		}
		if failed := span.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR; failed != (i == 0) {
			t.Errorf("span of attempt %d failed: %v", i, failed)
		}
	}
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("attempts have the spans %v", ids)
	}
}
