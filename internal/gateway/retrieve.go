package gateway

import (
	"strings"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/upstream"
	"sluice/internal/wire"
)

// retrieval is an embeddings or rerank request in neutral words, for a target of another dialect.
type retrieval struct {
	embed  *llm.Embed // as the client wrote it
	rerank *llm.Rerank
}

// encodeRetrieval writes an embeddings or rerank request in the target's words. c is the surface's change.
func (r *run) encodeRetrieval(c *wire.Change) ([]byte, *llm.Error) {
	x, l := r.x, &r.leg
	front := dialect.Of(x.Call.Front)
	var body []byte
	var notes []dialect.Note
	switch {
	case x.Call.Op == llm.OpEmbedding && front.ReadEmbed != nil && l.back != nil && l.back.AppendEmbed != nil:
		e, fault := front.ReadEmbed(x.Body)
		if fault != nil {
			return nil, fault
		}
		l.words.embed = e
		adapted, left, fault := dialect.AdaptEmbed(e, x.Call.Front, l.surface.Dialect)
		if fault != nil {
			return nil, fault
		}
		adapted.Model, notes = c.Model, left
		if l.surface.Dialect == llm.Gemini {
			// The path decides between embedContent and batchEmbedContents, not whether the client sent a list.
			adapted.Single = l.surface.Items == 1
		}
		body = l.back.AppendEmbed(make([]byte, 0, len(x.Body)+256), adapted)
	case x.Call.Op == llm.OpRerank && front.ReadRerank != nil && l.back != nil && l.back.AppendRerank != nil:
		rq, fault := front.ReadRerank(x.Body)
		if fault != nil {
			return nil, fault
		}
		l.words.rerank = rq
		adapted, left := dialect.AdaptRerank(rq, x.Call.Front, l.surface.Dialect)
		adapted.Model, notes = c.Model, left
		body = l.back.AppendRerank(make([]byte, 0, len(x.Body)+256), adapted)
	default:
		return nil, unsupported(&x.Call, r.target)
	}
	if e := r.policy(notes); e != nil {
		return nil, e
	}
	if !c.Plain() {
		body = wire.AppendChanged(make([]byte, 0, len(body)+64), body, c)
	}
	return body, nil
}

// otherForm reports whether a surface of the client's own dialect takes embeddings in another form than the client's: embedContent
// where the client has asked for batchEmbedContents (Vertex AI has no batch).
func (r *run) otherForm(s *upstream.Surface) bool {
	call := &r.x.Call
	return call.Op == llm.OpEmbedding && call.Front == llm.Gemini && s.Dialect == llm.Gemini && verb(r.x.Path) != verb(s.Path)
}

// verb returns what is after the last colon of a path of Google's.
func verb(path string) string { return path[strings.LastIndexByte(path, ':')+1:] }

// retrieved turns a target's answer to an embeddings or rerank request into the client's words.
func (r *run) retrieved(body []byte) ([]byte, *llm.Error) {
	if r.leg.words.rerank != nil {
		return r.ranked(body)
	}
	rq := r.leg.words.embed
	a, e := r.leg.back.ReadEmbedded(body)
	if e != nil {
		r.consumed.refused = e.Kind != llm.KindBadAnswer
		return nil, e
	}
	r.consumed.usage, r.consumed.reported = a.Usage, a.HasUsage
	if len(a.Vectors) != len(rq.Inputs) {
		e := llm.Errorf(llm.KindBadAnswer, "the provider answered %d inputs with %d embeddings", len(rq.Inputs), len(a.Vectors))
		e.Sent = llm.WasSent
		return nil, e
	}
	r.name(&a.ID, &a.Model)
	if !a.HasUsage {
		a.Usage.Input = r.x.Call.InputTokens
	}
	out := dialect.Of(r.x.Call.Front).AppendEmbedded(make([]byte, 0, len(body)+256), a, rq)
	if r.x.OnAnswer != nil {
		r.x.OnAnswer(out, nil, r.target)
	}
	return out, nil
}

func (r *run) ranked(body []byte) ([]byte, *llm.Error) {
	rq := r.leg.words.rerank
	a, e := r.leg.back.ReadRanked(body)
	if e != nil {
		r.consumed.refused = e.Kind != llm.KindBadAnswer
		return nil, e
	}
	r.consumed.usage, r.consumed.reported = a.Usage, a.HasUsage
	for i := range a.Results {
		if a.Results[i].Index >= len(rq.Documents) {
			e := llm.Errorf(llm.KindBadAnswer, "the provider ranked document %d of %d", a.Results[i].Index, len(rq.Documents))
			e.Sent = llm.WasSent
			return nil, e
		}
	}
	r.name(&a.ID, &a.Model)
	out := dialect.Of(r.x.Call.Front).AppendRanked(make([]byte, 0, len(body)+256), a, rq)
	if r.x.OnAnswer != nil {
		r.x.OnAnswer(out, nil, r.target)
	}
	return out, nil
}

// name fills in what a translated answer says of itself.
func (r *run) name(id, model *string) {
	if *id == "" {
		*id = r.x.Call.ID
	}
	if shown := r.answerModel(); shown != "" {
		*model = shown
	} else if *model == "" {
		*model = r.target.Model
	}
}
