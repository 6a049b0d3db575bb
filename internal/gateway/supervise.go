package gateway

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// streams reports whether the attempt under way is a stream at the provider.
func (r *run) streams() bool { return r.x.Call.Stream || r.leg.inner }

// supervises reports whether a call whose client wants the answer whole is a stream at the provider: then a late first token, a stall
// and a broken connection are noticed when they happen. It is none where the answer would be another one: where usage would be missing,
// the provider has refused streams of this model before, or the request has what streams do not.
func (r *run) supervises(s *upstream.Surface) bool {
	x := r.x
	if r.settings.Rescue.Supervise != "auto" || x.Call.Stream || !isChat(x.Call.Op) || x.Upload != nil || r.info.noStream.Load() {
		return false
	}
	if s.Dialect == llm.OpenAI && !r.info.account.StreamUsage {
		return false
	}
	if s.Dialect == x.Call.Front && dialect.Of(s.Dialect).NewFold == nil || dialect.Of(s.Dialect) == nil || dialect.Of(s.Dialect).NewReader == nil {
		return false
	}
	for _, name := range [...]string{`"modalities"`, `"best_of"`, `"audio"`, `"responseModalities"`, `"background"`} {
		if bytes.Contains(x.Body, []byte(name)) {
			return false
		}
	}
	return true
}

// refusedStream reports whether a provider has refused a supervised call for being a stream; then the target is asked for whole answers from
// now on (OpenAI lets only verified organizations stream some models).
func (r *run) refusedStream(e *llm.Error) bool {
	if !r.leg.inner || e.Kind != llm.KindRejected || e.Param != "stream" && !strings.Contains(strings.ToLower(e.Message), "stream") {
		return false
	}
	r.info.noStream.Store(true)
	return true
}

// isWhole reports whether a provider has answered whole though it was asked for a stream.
func isWhole(h http.Header) bool {
	ct := h.Get("Content-Type")
	return strings.HasPrefix(ct, "application/json")
}

// supervised hands a complete stream to a client that wants the answer whole.
func (r *run) supervised(answer *upstream.Answer, rl *relay) *llm.Error {
	body, a, e := r.addedUp(rl)
	if e != nil {
		return e
	}
	if body, a, e = r.formed(body, a); e != nil {
		return e
	}
	r.tellWhole(body, a)
	r.upstream += time.Since(r.first) // before the headers are set, which tell what of the time is ours
	r.commit(answer.Header)
	r.sendWhole(http.StatusOK, body)
	return nil
}

// addedUp returns the answer that a stream adds up to, in the client's dialect; a is it in neutral words, if it was translated.
func (r *run) addedUp(rl *relay) (body []byte, a *llm.Answer, e *llm.Error) {
	if rl.fold != nil {
		body, ok := rl.fold.Append(nil)
		if !ok {
			e := llm.Errorf(llm.KindBadAnswer, "the provider's stream does not add up to an answer")
			e.Sent = llm.WasSent
			return nil, nil, e
		}
		return body, nil, nil
	}
	t, ok := rl.stream.(*dialect.Translation)
	if !ok {
		panic("BUG: a supervised call is neither folded nor translated")
	}
	r.g.signed.keep(r.x.Call.Key, t.Signed())
	body, a = r.written(t.Answer(), 0)
	return body, a, nil
}

// written writes an answer of a target of another dialect in the client's. size is a guess of its size.
func (r *run) written(a *llm.Answer, size int) ([]byte, *llm.Answer) {
	if a.Model == "" {
		a.Model = r.target.Model
	}
	r.leg.adapted.Answer(a)
	head := r.head()
	out := dialect.Of(r.x.Call.Front).AppendAnswer(make([]byte, 0, size+512), a, &head)
	if head.Model != "" {
		a.Model = head.Model
	}
	return out, a
}

// tellWhole hands a complete answer to whoever keeps it. body is it in the client's dialect, a in neutral words if it was translated.
func (r *run) tellWhole(body []byte, a *llm.Answer) {
	switch {
	case r.x.OnAnswer == nil:
	case a != nil:
		r.x.OnAnswer(nil, a, r.target)
	default:
		r.x.OnAnswer(body, nil, r.target)
	}
}

// sendWhole sends a complete answer, after the commit.
func (r *run) sendWhole(status int, body []byte) {
	r.bill()
	r.w.Header()["X-Sluice-Cost-Usd"] = []string{r.costText()}
	r.status = status
	r.bytesOut = int64(len(body))
	r.w.Whole(status, body)
}
