package gateway

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"sluice/internal/ledger"
	"sluice/internal/llm"
	"sluice/internal/obs"
)

// fail ends a call with an error before anything of an answer was sent.
func (r *run) fail(e *llm.Error) {
	r.err = e
	h := r.w.Header()
	if r.info != nil {
		h["X-Sluice-Target"] = r.info.header
	}
	r.commonHeaders(h, time.Now())
	if r.noClientRetry(e) {
		h["X-Should-Retry"] = []string{"false"}
	}
	r.w.Fail(e, nil) // also to a client that left: it may have closed only its sending side
}

// noClientRetry reports whether a retry by the client's SDK would only add load: the provider says so, the error does
// not end by itself, or Sluice has already tried again as often as it may.
func (r *run) noClientRetry(e *llm.Error) bool {
	if e.Advice == llm.DoNotRetry {
		return true
	}
	switch e.Kind {
	case llm.KindQuotaExhausted, llm.KindProviderAuth, llm.KindTotalTimeout:
		return true
	case llm.KindRateLimited, llm.KindOverloaded:
		return false // worth another try after Retry-After
	}
	return e.Retryable() && r.attempts > 1
}

// refuse ends a call for which not even a place in the ledger could be had.
func (r *run) refuse(e *llm.Error) {
	r.err = e
	r.w.Fail(e, nil)
	r.observe(time.Now())
}

// settle closes the books of a call: ledger row, metrics, trace, log line.
func (r *run) settle() {
	now := time.Now()
	if r.open {
		r.open = false
		r.g.metrics.StreamClosed()
	}
	if !r.returned && r.err == nil { // whatever the client got is no success
		r.err = llm.Errorf(llm.KindInternal, "the call ended in a panic")
	}
	if r.err != nil && !r.relayed {
		r.status = r.err.Status()
	}
	r.bytesIn += r.x.Upload.bytes()
	row := r.row(now)
	r.g.ledger.Append(&row)
	r.observe(now)
	r.traceEnd(now)
	r.logCall(&row)
}

// costText returns the value of X-Sluice-Cost-Usd.
func (r *run) costText() string {
	if !r.priced {
		return "unpriced"
	}
	return strconv.FormatFloat(float64(r.costNano)/1e9, 'f', -1, 64)
}

func (r *run) row(now time.Time) ledger.Row {
	c := &r.x.Call
	row := ledger.Row{
		ID: c.ID, Time: c.Start, Key: c.Key, User: c.User, Op: c.Op.String(), Front: c.Front.String(), Model: c.Model,
		Class: c.Class.String(), Stream: c.Stream, Status: r.status, Attempts: r.attempts, Usage: r.usage,
		CostNanoUSD: r.costNano, Priced: r.priced, Queue: r.queued, Total: now.Sub(c.Start), Overhead: r.overhead,
		BytesIn: r.bytesIn, BytesOut: r.bytesOut, Tags: c.Tags, Snapshot: r.snap.ID, TraceID: r.span.TraceID(),
	}
	if r.target != nil {
		row.Target, row.Provider, row.Region = r.target.Name, r.target.Provider, r.target.Region
	}
	if r.info != nil && r.info.price != nil {
		row.PriceAsOf = r.info.price.AsOf
	}
	if !r.shown.IsZero() {
		row.FirstToken = r.shown.Sub(c.Start)
	}
	if r.err != nil {
		row.Code, row.Cause = r.err.Kind.Code(), r.err.Kind.Cause().String()
	}
	return row
}

// observe feeds the metrics.
func (r *run) observe(now time.Time) {
	c := &r.x.Call
	st := obs.CallStats{
		Class: c.Class, Stream: c.Stream, Attempts: r.attempts, Usage: r.usage, HasUsage: r.usage != (llm.Usage{}),
		CostNanoUSD: r.costNano, Priced: r.priced, Total: now.Sub(c.Start), Overhead: r.overhead, Malformed: r.malformed,
	}
	if r.err != nil {
		st.Kind = r.err.Kind
	}
	st.Stages[obs.StageRead] = r.x.Checked.Sub(c.Start) - r.x.Auth
	st.Stages[obs.StageAuth] = r.x.Auth
	if !r.planned.IsZero() {
		st.Stages[obs.StageRoute] = r.planned.Sub(r.x.Checked)
	}
	st.Stages[obs.StageAdmit] = r.queued
	st.Stages[obs.StageConnect] = r.connect
	st.Stages[obs.StageHeaders] = max(r.headers-r.connect, 0)
	st.Stages[obs.StageSettle] = time.Since(now)
	if !r.first.IsZero() {
		st.FirstToken = r.first.Sub(r.sent)
		st.Stages[obs.StageFirstToken] = st.FirstToken - r.headers
		st.Stages[obs.StageStream] = now.Sub(r.first)
	}
	if r.info == nil {
		r.g.metrics.Observe(&st)
		return
	}
	r.snap.metrics(r.g.metrics, r.info, r.target, c.Op, r.public, r.configured).Observe(&st)
}

// logCall writes one line a call: at level debug for successes, info for those that needed a rescue or were flagged, for refusals and
// client errors, warn for the rest.
func (r *run) logCall(row *ledger.Row) {
	level := slog.LevelDebug
	switch {
	case r.err != nil && (r.err.Kind.Cause() == llm.ByCaller || r.err.Kind.Cause() == llm.ByPolicy):
		level = slog.LevelInfo
	case r.err != nil:
		level = slog.LevelWarn
	case r.resc != nil || r.flagged != 0:
		level = slog.LevelInfo
	}
	if !r.g.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("id", row.ID), slog.String("op", row.Op), slog.String("model", row.Model), slog.String("target", row.Target),
		slog.String("key", row.Key), slog.Int("status", row.Status), slog.Int("attempts", row.Attempts),
		slog.Duration("total", row.Total), slog.Int64("input_tokens", row.Usage.Input), slog.Int64("output_tokens", row.Usage.Output),
	}
	if r.err != nil {
		attrs = append(attrs, slog.String("code", row.Code), slog.String("error", r.err.Error()))
	}
	if r.resc != nil {
		attrs = append(attrs, slog.String("rescue", r.resc.how()), slog.String("broken", r.resc.cause.Kind.Code()))
	}
	if r.flagged != 0 {
		attrs = append(attrs, slog.String("flagged", r.flagged.Code()))
	}
	if r.overspent {
		attrs = append(attrs, slog.String("no_retry", "retry.budget"))
	}
	r.g.log.LogAttrs(context.Background(), level, "call", attrs...)
}

// serverTiming returns the Server-Timing value: stages in milliseconds.
func (r *run) serverTiming(total time.Duration) string {
	b := make([]byte, 0, 112)
	c := &r.x.Call
	b = appendTiming(b, "auth", r.x.Checked.Sub(c.Start))
	b = appendTiming(append(b, ", "...), "queue", r.queued)
	b = appendTiming(append(b, ", "...), "upstream", r.upstream)
	b = appendTiming(append(b, ", "...), "sluice", r.overhead)
	b = appendTiming(append(b, ", "...), "total", total)
	return string(b)
}

func appendTiming(b []byte, name string, d time.Duration) []byte {
	b = append(append(b, name...), ";dur="...)
	return strconv.AppendFloat(b, float64(max(d, 0).Microseconds())/1000, 'f', -1, 64)
}
