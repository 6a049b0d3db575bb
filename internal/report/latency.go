package report

import (
	"time"

	"sluice/internal/workload"
)

// The figures of one request. Each has ok false where the request does not have it: missing stays missing. They say nothing
// about success: callers take them of requests that are OK.

// since is from - to, unless one of them did not happen.
func since(to, from time.Duration) (time.Duration, bool) {
	return to - from, to != None && from != None
}

// TTFT is the time to the first token, from the instant of sending. ok is false if there was none.
func (r *Record) TTFT() (d time.Duration, ok bool) { return since(r.FirstToken, r.Dispatched) }

// TTFTSched is TTFT from the instant at which the schedule wanted the request sent.
func (r *Record) TTFTSched() (d time.Duration, ok bool) { return since(r.FirstToken, r.Scheduled) }

// TTFO is the time to the first token that is not reasoning, from the instant of sending.
func (r *Record) TTFO() (d time.Duration, ok bool) { return since(r.FirstText, r.Dispatched) }

// End is the instant that ends E2E: the last token of a stream, the end of any other answer, and of a stream without tokens.
func (r *Record) End() time.Duration {
	if r.Stream && r.LastToken != None {
		return r.LastToken
	}
	return r.Done
}

// E2E is the time from the instant of sending to End.
func (r *Record) E2E() (d time.Duration, ok bool) { return since(r.End(), r.Dispatched) }

// E2ESched is the time from the instant at which the schedule wanted the request sent to End. A client that sends late, or
// waits for a slow answer before it sends again, cannot make it look short.
func (r *Record) E2ESched() (d time.Duration, ok bool) { return since(r.End(), r.Scheduled) }

// VisibleOutput is how many of the output tokens came as events: all of them, without those of reasoning if none of it was
// shown. Reasoning that is billed but hidden takes place before the first token, and would make the others look faster.
func (r *Record) VisibleOutput() int64 {
	if r.Reasoning > 0 && r.FirstToken != None && r.FirstText == r.FirstToken {
		return r.Output - r.Reasoning
	}
	return r.Output
}

// TPOT is (E2E - TTFT) / (VisibleOutput - 1), of streams with at least two visible tokens.
func (r *Record) TPOT() (d time.Duration, ok bool) {
	if r.LastToken == None || r.FirstToken == None || !r.Stream || r.VisibleOutput() < 2 {
		return 0, false
	}
	return (r.LastToken - r.FirstToken) / time.Duration(r.VisibleOutput()-1), true
}

// NTPOT is E2E / Output.
func (r *Record) NTPOT() (d time.Duration, ok bool) {
	d, ok = r.E2E()
	if !ok || r.Output < 1 {
		return 0, false
	}
	return d / time.Duration(r.Output), true
}

// Meets says whether the request succeeded within every limit of slo. The clock starts when the schedule wanted it sent. A
// limit on tokens does not bind where there are none to time: TTFT of an answer that was not streamed, TPOT of fewer than two
// tokens. A stream whose first token never came misses a limit on TTFT.
func (r *Record) Meets(slo workload.SLO) bool {
	if !r.OK {
		return false
	}
	if ttft, ok := r.TTFTSched(); slo.TTFT > 0 && r.Stream && (!ok || ttft > slo.TTFT) {
		return false
	}
	if tpot, ok := r.TPOT(); slo.TPOT > 0 && ok && tpot > slo.TPOT {
		return false
	}
	e2e, ok := r.E2ESched()
	return slo.E2E == 0 || ok && e2e <= slo.E2E
}

// Milliseconds is a duration as the figures have it.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
