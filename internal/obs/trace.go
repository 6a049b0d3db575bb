package obs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"sluice/internal/llm"
)

// The bounds of the span queue. A span that finds it full is dropped: a call never waits for a collector.
const (
	spanQueue     = 8192
	spanBatch     = 512
	spanInterval  = 2 * time.Second
	exportTimeout = 10 * time.Second
)

// scopeName names the instrumentation in exported spans.
const scopeName = "sluice"

// TraceOptions are the settings of NewTracer.
type TraceOptions struct {
	Endpoint string                // URL of an OTLP/HTTP collector; empty turns tracing off
	Sample   float64               // share of calls to trace, 0 to 1, where the client's traceparent does not decide
	Headers  map[string]llm.Secret // sent with each export, for a collector that wants a key
	Version  string                // of Sluice, for service.version
	Metrics  *Metrics              // counts exported spans; may be nil
	Log      *slog.Logger          // is told when the collector does not take spans; may be nil
}

// Tracer makes spans and exports them in the background. A nil Tracer is the one that is off: Start gives nil spans.
type Tracer struct {
	batcher sdk.SpanProcessor
	tracer  trace.Tracer
	abort   context.CancelCauseFunc // ends an export under way, and all that would follow
	stopped <-chan struct{}         // closed by the exporter when it is shut down, which is the batcher's last act
}

// Span is one timed part of a call. All methods do nothing on a nil Span, at no cost. A span belongs to one goroutine.
type Span struct {
	t    *Tracer
	span trace.Span
}

// NewTracer starts the exporter of spans; Shutdown ends it. It returns nil, without an error, when o.Endpoint is empty. The
// collector is not contacted before there are spans. The resource takes OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME
// from the environment.
func NewTracer(ctx context.Context, o TraceOptions) (*Tracer, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	headers := make(map[string]string, len(o.Headers))
	for k, v := range o.Headers {
		headers[k] = v.Reveal()
	}
	otlp, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(o.Endpoint),
		otlptracehttp.WithHeaders(headers),
		otlptracehttp.WithTimeout(exportTimeout),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		return nil, fmt.Errorf("create span exporter: %w", err)
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(
			attribute.String(string(attrServiceName), "sluice"),
			attribute.String(string(attrServiceVersion), o.Version)),
		resource.WithHost(), resource.WithProcessPID(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe the process for traces: %w", err)
	}
	exportCtx, abort := context.WithCancelCause(context.Background())
	exp := &exporter{next: otlp, ctx: exportCtx, metrics: o.Metrics, log: o.Log, stopped: make(chan struct{})}
	b := sdk.NewBatchSpanProcessor(exp,
		sdk.WithMaxQueueSize(spanQueue), sdk.WithMaxExportBatchSize(spanBatch),
		sdk.WithBatchTimeout(spanInterval), sdk.WithExportTimeout(exportTimeout))
	p := sdk.NewTracerProvider(
		sdk.WithResource(res),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.Sample))),
		sdk.WithSpanProcessor(b))
	return &Tracer{batcher: b, tracer: p.Tracer(scopeName), abort: abort, stopped: exp.stopped}, nil
}

// errFlushOver is why an export ends that outlives Shutdown's context.
var errFlushOver = errors.New("time to flush spans is over")

// Shutdown exports what has ended and stops. When ctx ends before, the spans that are not out are lost and an export under way
// is aborted. No goroutine of the Tracer is left when it returns.
func (t *Tracer) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	err := t.batcher.Shutdown(ctx) // not the provider's, which does nothing when ctx has ended already
	t.abort(errFlushOver)
	<-t.stopped
	if err != nil {
		return fmt.Errorf("flush spans: %w", err)
	}
	return nil
}

// Start begins the span of a call that came in at a time. parent is the traceparent that the client sent: its sampling
// decision holds; an empty or broken one makes this span a root, sampled by TraceOptions.Sample.
func (t *Tracer) Start(ctx context.Context, parent, name string, start time.Time) *Span {
	if t == nil {
		return nil
	}
	if parent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, carrier{traceParentHeader: parent})
	}
	_, s := t.tracer.Start(ctx, name, trace.WithTimestamp(start), trace.WithSpanKind(trace.SpanKindServer))
	return &Span{t, s}
}

// Child begins the span of a stage within s.
func (s *Span) Child(name string, start time.Time) *Span {
	return s.child(name, start, trace.SpanKindInternal)
}

// Attempt begins the span of one send to a provider within s. The conventions want its name to be the operation and the
// provider's model, such as "chat gpt-4o". Its TraceParent is the one to pass on.
func (s *Span) Attempt(name string, start time.Time) *Span {
	return s.child(name, start, trace.SpanKindClient)
}

func (s *Span) child(name string, start time.Time, kind trace.SpanKind) *Span {
	if s == nil {
		return nil
	}
	ctx := trace.ContextWithSpan(context.Background(), s.span)
	_, c := s.t.tracer.Start(ctx, name, trace.WithTimestamp(start), trace.WithSpanKind(kind))
	return &Span{s.t, c}
}

// Recording reports whether attributes of the span go anywhere: false when tracing is off or the call is not sampled.
func (s *Span) Recording() bool { return s != nil && s.span.IsRecording() }

// Str sets a text attribute.
func (s *Span) Str(key Attr, v string) {
	if s.Recording() {
		s.span.SetAttributes(attribute.String(string(key), v))
	}
}

// Int sets a number attribute.
func (s *Span) Int(key Attr, v int64) {
	if s.Recording() {
		s.span.SetAttributes(attribute.Int64(string(key), v))
	}
}

// Float sets a number attribute.
func (s *Span) Float(key Attr, v float64) {
	if s.Recording() {
		s.span.SetAttributes(attribute.Float64(string(key), v))
	}
}

// Bool sets a truth attribute.
func (s *Span) Bool(key Attr, v bool) {
	if s.Recording() {
		s.span.SetAttributes(attribute.Bool(string(key), v))
	}
}

// Fail marks the span as failed with a kind of error; KindNone leaves it as it is.
func (s *Span) Fail(k llm.Kind) {
	if k != llm.KindNone && s.Recording() {
		s.span.SetAttributes(attribute.String(string(AttrErrorType), k.Code()), attribute.String(string(AttrCause), k.Cause().String()))
		s.span.SetStatus(codes.Error, k.Code())
	}
}

// End ends the span at a time; the zero time is now. What is set afterwards is lost.
func (s *Span) End(at time.Time) {
	if s == nil {
		return
	}
	if at.IsZero() {
		s.span.End()
		return
	}
	s.span.End(trace.WithTimestamp(at))
}

// TraceParent returns the W3C traceparent that names this span as the parent, to be passed on; empty on a nil Span.
func (s *Span) TraceParent() string {
	if s == nil {
		return ""
	}
	c := carrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), s.span.SpanContext()), c)
	return c[traceParentHeader]
}

// TraceID returns the id of the trace in hex; empty on a nil Span.
func (s *Span) TraceID() string {
	if s == nil {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}

const traceParentHeader = "traceparent"

// carrier is what the propagator reads from and writes to.
type carrier map[string]string

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string { return c[key] }

// Set implements propagation.TextMapCarrier.
func (c carrier) Set(key, value string) { c[key] = value }

// Keys implements propagation.TextMapCarrier; the propagator does not ask.
func (c carrier) Keys() []string { return nil }

// exporter counts and reports what the SDK would hand to a process-wide error handler.
type exporter struct {
	next    sdk.SpanExporter
	ctx     context.Context // ends when Shutdown does, and ends an export under way
	metrics *Metrics
	log     *slog.Logger
	once    sync.Once
	stopped chan struct{} // closed by the first Shutdown
}

// ExportSpans implements sdk.SpanExporter. It returns nil also on error: the spans are lost either way, and are counted here.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if e.ctx.Err() != nil { // encoding what cannot be sent would take long
		e.metrics.spansExported(len(spans), false)
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.ctx, func() { cancel(context.Cause(e.ctx)) })()
	err := e.next.ExportSpans(ctx, spans)
	e.metrics.spansExported(len(spans), err == nil)
	if err != nil && e.log != nil {
		e.log.Warn("trace collector did not take spans; they are lost", "spans", len(spans), "error", err)
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (e *exporter) Shutdown(ctx context.Context) error {
	defer e.once.Do(func() { close(e.stopped) })
	return e.next.Shutdown(ctx)
}
