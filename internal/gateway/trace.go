package gateway

import (
	"time"

	"sluice/internal/llm"
	"sluice/internal/obs"
)

// The spans of a call. Everything here does nothing when tracing is off.
//
//	chat                       the call, from arrival to settlement
//	├─ read                    body, key and request checked
//	├─ route                   model name to plan
//	├─ admit                   waiting for capacity; once an attempt
//	├─ attempt                 one send to one target; its id goes to the provider as traceparent
//	│  ├─ connect
//	│  ├─ headers
//	│  ├─ first_token
//	│  └─ stream               first content token to the end of the answer
//	└─ settle                  ledger and metrics

// traceStart begins the call's span and adds the stages that are already over.
func (r *run) traceStart() {
	c := &r.x.Call
	r.span = r.g.tracer.Start(r.ctx, c.TraceParent, c.Op.String(), c.Start)
	r.span.Child("read", c.Start).End(r.x.Checked)
}

func (r *run) traceAdmit(start time.Time) { r.span.Child("admit", start).End(time.Time{}) }

// traceAttempt ends an attempt's span.
func (r *run) traceAttempt(span *obs.Span, kind llm.Kind, now time.Time) {
	if span == nil {
		return
	}
	span.Str(obs.AttrTarget, r.target.Name)
	span.Str(obs.AttrProvider, r.target.Provider)
	span.Str(obs.AttrRequestModel, r.target.Model)
	span.Str(obs.AttrServerAddress, r.info.account.Host())
	span.Int(obs.AttrResendCount, int64(r.attempts-1))
	if r.headers > 0 {
		connected, headers := r.sent.Add(r.connect), r.sent.Add(r.headers)
		span.Child("connect", r.sent).End(connected)
		span.Child("headers", connected).End(headers)
		if !r.first.IsZero() {
			span.Child("first_token", headers).End(r.first)
			span.Child("stream", r.first).End(now)
		}
	}
	span.Fail(kind)
	span.End(now)
}

// traceEnd ends the call's span. settling is when its answer was over.
func (r *run) traceEnd(settling time.Time) {
	s := r.span
	if s == nil {
		return
	}
	c := &r.x.Call
	if !r.planned.IsZero() {
		s.Child("route", r.x.Checked).End(r.planned)
	}
	s.Child("settle", settling).End(time.Time{})
	s.Str(obs.AttrCallID, c.ID)
	s.Str(obs.AttrOperation, c.Op.String())
	s.Str(obs.AttrRequestModel, c.Model)
	s.Str(obs.AttrKey, c.Key)
	s.Str(obs.AttrClass, c.Class.String())
	s.Str(obs.AttrSnapshot, r.snap.ID)
	s.Bool(obs.AttrRequestStream, c.Stream)
	s.Int(obs.AttrAttempts, int64(r.attempts))
	s.Int(obs.AttrInputTokens, r.usage.Input)
	s.Int(obs.AttrOutputTokens, r.usage.Output)
	s.Int(obs.AttrCachedInputTokens, r.usage.CachedInput)
	if r.priced {
		s.Float(obs.AttrCostUSD, float64(r.costNano)/1e9)
	}
	if r.target != nil {
		s.Str(obs.AttrTarget, r.target.Name)
		s.Str(obs.AttrProvider, r.target.Provider)
	}
	if r.err != nil {
		s.Fail(r.err.Kind)
		s.Str(obs.AttrCause, r.err.Kind.Cause().String())
	}
	s.End(time.Time{})
}
