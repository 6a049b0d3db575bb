package gateway

import (
	"net/http"
	"strings"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/route"
	"sluice/internal/upstream"
)

const (
	// messageTokens is what a chat template puts around a message (OpenAI's cookbook "How to count tokens with tiktoken": three).
	messageTokens = 3
	// mediaTokens is for an image, a recording or a file, whatever its size: providers count 85 to some thousands.
	mediaTokens = 256
)

// countHere answers a request to count tokens without asking anybody, if none of the plan's targets can be asked in the client's
// dialect; it reports whether it did. Otherwise only those that can be asked are left in the plan.
//
// The count is exact as far as texts go where the first target's vocabulary is known, and an estimate otherwise, as a header
// says. It costs nothing and takes no slot.
func (r *run) countHere(plan *route.Plan) bool {
	if tiers := r.counting(plan.Tiers); len(tiers) > 0 {
		plan.Tiers = tiers
		return false
	}
	x := r.x
	front := dialect.Of(x.Call.Front)
	if front.AppendCount == nil || front.ReadChat == nil {
		r.fail(llm.Errorf(llm.KindUnsupported, "tokens cannot be counted in the dialect %s", x.Call.Front))
		return true
	}
	chat, e := front.ReadChat(x.Call.Op, x.Body)
	if e != nil {
		r.fail(e)
		return true
	}
	tokens, exact := r.countChat(plan.Tiers[0][0].Model, chat)
	h := r.w.Header()
	if !exact {
		h["X-Sluice-Estimate"] = []string{"true"}
	}
	r.first = time.Now()
	r.committed, r.shown = r.first, r.first
	r.commonHeaders(h, r.committed)
	body := front.AppendCount(nil, tokens)
	r.status, r.bytesOut = http.StatusOK, int64(len(body))
	r.w.Whole(http.StatusOK, body)
	return true
}

// counting returns the tiers of targets that count in the client's dialect.
func (r *run) counting(tiers [][]*llm.Target) [][]*llm.Target {
	call := &r.x.Call
	var left [][]*llm.Target
	for _, tier := range tiers {
		var some []*llm.Target
		for _, t := range tier {
			account := r.snap.Accounts[t.Provider]
			if account == nil {
				continue
			}
			s, ok := account.Surface(&upstream.Ask{Op: call.Op, Front: call.Front, Model: t.Model, Path: r.x.Path, Header: r.x.Header})
			if ok && s.Dialect == call.Front {
				some = append(some, t)
			}
		}
		if len(some) > 0 {
			left = append(left, some)
		}
	}
	return left
}

// countChat counts the tokens of a request.
func (r *run) countChat(name string, c *llm.Chat) (tokens int64, exact bool) {
	t := tally{counter: r.g.counter, model: name, exact: true}
	for i := range c.Messages {
		t.tokens += messageTokens
		t.parts(c.Messages[i].Parts)
	}
	for i := range c.Tools {
		f := &c.Tools[i]
		t.text(f.Name)
		t.text(f.Description)
		t.text(f.Parameters)
		t.text(f.Grammar)
		t.text(f.Raw)
		t.exact = false // how a provider writes tools into the prompt is its own affair
	}
	t.text(c.Format.Schema)
	return t.tokens, t.exact
}

// tally adds up tokens.
type tally struct {
	counter *model.Counter
	model   string
	tokens  int64
	exact   bool
}

func (t *tally) text(s string) {
	if strings.TrimSpace(s) == "" {
		return
	}
	n := t.counter.Count(t.model, s)
	t.tokens += n.Tokens
	t.exact = t.exact && n.Exact
}

func (t *tally) parts(parts []llm.Part) {
	for i := range parts {
		p := &parts[i]
		t.text(p.Text)
		switch p.Kind {
		case llm.PartImage, llm.PartFile, llm.PartAudio:
			t.tokens += mediaTokens
			t.exact = false
		case llm.PartToolCall, llm.PartToolResult, llm.PartOther:
			t.text(p.Name)
			t.text(p.Raw)
			t.exact = false
		}
		t.parts(p.Parts)
	}
}
