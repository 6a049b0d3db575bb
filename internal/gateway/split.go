package gateway

import (
	"fmt"
	"slices"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/route"
	"sluice/internal/upstream"
	"sluice/internal/wire"
)

const (
	// maxParts bounds into how many requests one call is split.
	maxParts = 1024
	// bytesPerToken is how few bytes a token is taken to have where the model's vocabulary is not known and too many tokens would be
	// refused: text is four and more, Chinese about three.
	bytesPerToken = 3
)

// part is a stretch of the inputs of an embeddings request: those from first up to end.
type part struct{ first, end int }

// split says into which parts an embeddings request goes; nil if it goes as one. The limits are the strictest of all the plan's
// targets, since a part may go to any of them. An input that no target can take is refused here if its tokens have been
// counted with the model's own vocabulary; what is only estimated is left to the provider.
//
//  1. By the number of inputs and their bytes, of which no token has less than one, most requests are seen to fit.
//  2. Else each input's tokens are counted, and the inputs are put together in their order as far as the limits go.
func (r *run) split(plan *route.Plan) ([]part, *llm.Error) {
	x := r.x
	if x.Call.Op != llm.OpEmbedding || x.Request == nil {
		return nil, nil
	}
	limits, name := r.embedLimits(plan)
	rq := x.Request.Fields()
	fits := int64(rq.InputBytes)
	if (limits.Items == 0 || rq.Inputs <= limits.Items) && (limits.TotalTokens == 0 || fits <= limits.TotalTokens) &&
		(limits.InputTokens == 0 || fits <= limits.InputTokens) {
		return nil, nil
	}
	front := dialect.Of(x.Call.Front)
	if front.ReadEmbed == nil {
		return nil, nil
	}
	e, fault := front.ReadEmbed(x.Body)
	if fault != nil {
		return nil, fault
	}
	tokens, fault := r.tokens(e, &limits, name, fits)
	if fault != nil {
		return nil, fault
	}
	parts := pack(tokens, limits.Items, limits.TotalTokens)
	switch {
	case len(parts) <= 1:
		return nil, nil
	case len(parts) > maxParts:
		fault := llm.Errorf(llm.KindTooLarge, "the request has %d inputs, which is over %d requests to the provider; send it in several", len(e.Inputs), maxParts)
		fault.Param = "input"
		return nil, fault
	}
	return parts, nil
}

// embedLimits returns the strictest limits of a plan's targets, and the model that inputs are counted for. Only where every
// target refuses longer inputs is there a limit on one.
func (r *run) embedLimits(plan *route.Plan) (l model.EmbedLimits, name string) {
	first := true
	call := &r.x.Call
	for _, tier := range plan.Tiers {
		for _, t := range tier {
			account := r.snap.Accounts[t.Provider]
			if account == nil {
				continue
			}
			own := model.EmbedLimitsOf(account.Settings.Kind(), t.Model)
			surface, ok := account.Surface(&upstream.Ask{Op: call.Op, Front: call.Front, Model: t.Model, Path: r.x.Path})
			if ok && surface.Items > 0 && (own.Items == 0 || surface.Items < own.Items) {
				own.Items = surface.Items
			}
			if own.Cuts {
				own.InputTokens = 0
			}
			if first {
				l, name, first = own, t.Model, false
				continue
			}
			l.Items, l.TotalTokens = strictest(l.Items, own.Items), strictest(l.TotalTokens, own.TotalTokens)
			if own.InputTokens == 0 || l.InputTokens == 0 {
				l.InputTokens = 0
			} else {
				l.InputTokens = max(l.InputTokens, own.InputTokens)
			}
		}
	}
	return l, name
}

// strictest returns the smaller of two limits, of which 0 is none.
func strictest[N int | int64](a, b N) N {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// tokens counts the inputs' tokens. fits is an upper bound of their sum: where that is within a limit, nothing is counted.
func (r *run) tokens(e *llm.Embed, l *model.EmbedLimits, name string, fits int64) ([]int64, *llm.Error) {
	tokens := make([]int64, len(e.Inputs))
	if (l.TotalTokens == 0 || fits <= l.TotalTokens) && (l.InputTokens == 0 || fits <= l.InputTokens) {
		return tokens, nil // only their number counts
	}
	for i := range e.Inputs {
		in := &e.Inputs[i]
		n, exact := int64(len(in.Tokens)), true
		if in.Tokens == nil {
			n, exact = r.count(name, in.Text)
		}
		tokens[i] = n
		if exact && l.InputTokens > 0 && n > l.InputTokens {
			fault := llm.Errorf(llm.KindBadRequest, "input[%d] has %d tokens; the model %s takes %d", i, n, name, l.InputTokens)
			fault.Param = fmt.Sprintf("input[%d]", i)
			return nil, fault
		}
	}
	return tokens, nil
}

// count returns the tokens of a text, or, where the vocabulary is not known, no fewer than it is likely to have.
func (r *run) count(name, text string) (tokens int64, exact bool) {
	if c := r.g.counter.Count(name, text); c.Exact {
		return c.Tokens, true
	}
	return int64(len(text)+bytesPerToken-1) / bytesPerToken, false
}

// pack puts inputs together in their order, each part with as many as the limits allow and at least one. 0 is no limit.
func pack(tokens []int64, items int, total int64) []part {
	var parts []part
	var sum int64
	for i, n := range tokens {
		last := len(parts) - 1
		if last < 0 || items > 0 && i-parts[last].first >= items || total > 0 && sum+n > total {
			parts = append(parts, part{first: i, end: i + 1})
			sum = n
			continue
		}
		parts[last].end = i + 1
		sum += n
	}
	return parts
}

// cut returns the bodies of the parts. Where the dialect allows, they are the client's but for the list of inputs.
func (r *run) cut(parts []part) ([][]byte, *llm.Error) {
	x := r.x
	front := dialect.Of(x.Call.Front)
	bodies := make([][]byte, len(parts))
	if front.SplitEmbed != nil {
		list, inputs, ok := front.SplitEmbed(x.Body)
		if !ok || parts[len(parts)-1].end != len(inputs) {
			return nil, llm.Errorf(llm.KindInternal, "the inputs cannot be told apart")
		}
		for i, p := range parts {
			bodies[i] = cutBody(x.Body, list, inputs[p.first:p.end])
		}
		return bodies, nil
	}
	e, fault := front.ReadEmbed(x.Body)
	if fault != nil {
		return nil, fault
	}
	for i, p := range parts {
		some := *e
		some.Inputs = e.Inputs[p.first:p.end]
		bodies[i] = front.AppendEmbed(nil, &some)
	}
	return bodies, nil
}

// cutBody returns body with only some of the elements in its list.
func cutBody(body []byte, list wire.Span, inputs []wire.Span) []byte {
	from, to := inputs[0].Start, inputs[len(inputs)-1].End
	return slices.Concat(body[:list.Start], []byte{'['}, body[from:to], []byte{']'}, body[list.End:])
}

// join returns one answer made of those to the parts.
func (r *run) join(parts []part, answers [][]byte) ([]byte, *llm.Error) {
	front := dialect.Of(r.x.Call.Front)
	if front.JoinEmbedded != nil {
		return front.JoinEmbedded(nil, answers)
	}
	rq, e := front.ReadEmbed(r.x.Body)
	if e != nil {
		return nil, e
	}
	var all *llm.Embedded
	for i, body := range answers {
		a, e := front.ReadEmbedded(body)
		if e != nil {
			return nil, e
		}
		if want := parts[i].end - parts[i].first; len(a.Vectors) != want {
			return nil, llm.Errorf(llm.KindBadAnswer, "the provider answered %d inputs with %d embeddings", want, len(a.Vectors))
		}
		if all == nil {
			all = a
			continue
		}
		all.Vectors = append(all.Vectors, a.Vectors...)
		all.Usage.Input += a.Usage.Input
		all.Usage.Output += a.Usage.Output
		all.HasUsage = all.HasUsage || a.HasUsage
	}
	return front.AppendEmbedded(nil, all, rq), nil
}
