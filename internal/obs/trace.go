package obs

import (
	"context"
	"log/slog"
	"time"

	"sluice/internal/llm"
)

// TraceOptions are the settings of NewTracer.
type TraceOptions struct {
	Endpoint string            // URL of an OTLP/HTTP collector; empty turns tracing off
	Sample   float64           // share of calls to trace, 0 to 1, where the client's traceparent does not decide
	Headers  map[string]string // sent with each export, for a collector that wants a key
	Version  string            // of Sluice, for service.version
	Metrics  *Metrics          // counts spans exported; may be nil
	Log      *slog.Logger      // is told when the collector does not answer; may be nil
}

// Tracer makes spans.
type Tracer struct{}

// Span is one timed part of a call.
type Span struct{}

// NewTracer returns nil when o.Endpoint is empty.
func NewTracer(ctx context.Context, o TraceOptions) (*Tracer, error) { return nil, nil }

// Start begins the span of a call.
func (t *Tracer) Start(ctx context.Context, parent, name string, start time.Time) *Span { return nil }

// Shutdown flushes.
func (t *Tracer) Shutdown(ctx context.Context) error { return nil }

// Child begins a span within s.
func (s *Span) Child(name string, start time.Time) *Span { return nil }

// Str sets a text attribute.
func (s *Span) Str(key Attr, v string) {}

// Int sets a number attribute.
func (s *Span) Int(key Attr, v int64) {}

// Float sets a number attribute.
func (s *Span) Float(key Attr, v float64) {}

// Bool sets a truth attribute.
func (s *Span) Bool(key Attr, v bool) {}

// Fail marks the span as failed.
func (s *Span) Fail(k llm.Kind) {}

// End ends the span at a time; the zero time is now.
func (s *Span) End(at time.Time) {}

// TraceParent returns the header value to pass on; empty when off.
func (s *Span) TraceParent() string { return "" }

// TraceID returns the trace's id in hex; empty when off.
func (s *Span) TraceID() string { return "" }
