package gateway

import (
	"sluice/internal/llm"
	"sluice/internal/model"
)

// consumed is what one attempt has used up, as far as its answer shows.
type consumed struct {
	begun    bool      // the target has worked on the call, or may have
	usage    llm.Usage // if reported
	reported bool
	outBytes int64  // text received, for an estimate
	tier     string // that the provider says it used
	opaque   bool   // what it has used is not counted in tokens, unless reported
	refused  bool   // the provider put an error in the place of an answer, or at the end of one
}

// mayHaveWorked reports whether a target was at work on a request when this side ended the attempt. Providers charge for
// that, and nobody will say how much.
func mayHaveWorked(e *llm.Error) bool {
	if e.Sent == llm.NotSent {
		return false
	}
	switch e.Kind {
	case llm.KindCanceled, llm.KindHeaderTimeout, llm.KindTotalTimeout, llm.KindDraining:
		return true
	}
	return false
}

// bill adds what the attempt has consumed to the call's books, once, at its own target's price: the next attempt may go
// elsewhere, for another one. What the provider did not report is estimated: a client that left, a timeout, a cut
// answer, a server without usage. An error that came in the place of an answer costs nothing. A price that is not known
// leaves the whole call without one; it is never zero.
func (r *run) bill() {
	c := &r.consumed
	if !c.begun || r.x.Call.Op == llm.OpCountTokens {
		return
	}
	c.begun = false
	u := c.usage
	if c.opaque && !c.reported {
		r.priced = false
		return
	}
	sure := c.reported && !u.Estimated
	if c.refused && c.outBytes == 0 && !sure {
		return
	}
	if !c.reported || u == (llm.Usage{}) && c.outBytes > 0 { // some servers report zeros
		u = llm.Usage{Input: r.x.Call.InputTokens, Output: model.EstimateTokens(int(c.outBytes)), Estimated: true}
	}
	if u == (llm.Usage{}) {
		return
	}
	cost, priced := r.info.price.Cost(u, c.tier)
	r.priced = priced && (r.priced || r.usage == llm.Usage{})
	r.costNano += cost
	r.usage = r.usage.Plus(u)
	r.billed = u
}
