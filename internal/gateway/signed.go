package gateway

import (
	"sync"
	"time"

	"sluice/internal/llm"
)

// Limits of what is kept of signed answers.
const (
	maxSignedAnswers = 10_000
	maxSignedBytes   = 64 << 20
	signedLife       = time.Hour
)

// signatures keeps what providers sign (thinking, calls of tools) by the ids of the tool calls that it came with. Anthropic and
// Gemini want it back in the next request of a tool loop; a client of another dialect has no word for it, or an SDK that drops
// what it does not know. It is a help for such clients, in this process's memory only: a client that brings the signatures itself
// needs none of it, and when it is gone the request is sent without.
type signatures struct {
	mu      sync.Mutex
	answers map[signedKey]*signedAnswer // guarded by mu
	order   []signedKey                 // guarded by mu; oldest first
	bytes   int                         // guarded by mu
}

// signedKey is one tool call of one client's.
type signedKey struct{ key, call string }

// signedAnswer is the part of an answer that is kept. It is never changed.
type signedAnswer struct {
	parts []llm.Part
	size  int
	until time.Time
}

func newSignatures() *signatures { return &signatures{answers: map[signedKey]*signedAnswer{}} }

// keep keeps the signed parts of an answer that calls tools. What is without a tool call need not come back.
func (s *signatures) keep(key string, parts []llm.Part) {
	call, a := "", &signedAnswer{until: time.Now().Add(signedLife)}
	signed := false
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case llm.PartToolCall:
			if call == "" {
				call = p.ID
			}
			a.parts = append(a.parts, llm.Part{Kind: p.Kind, ID: p.ID, Signature: p.Signature, Origin: p.Origin})
		case llm.PartThinking, llm.PartRedacted:
			a.parts = append(a.parts, *p)
		default:
			continue
		}
		signed = signed || p.Signature != ""
		a.size += len(p.Text) + len(p.Signature) + len(p.ID) + 200
	}
	if call == "" || !signed || a.size > maxSigned {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := signedKey{key, call}
	if old := s.answers[at]; old != nil {
		s.bytes -= old.size
	} else {
		s.order = append(s.order, at)
	}
	s.answers[at] = a
	s.bytes += a.size
	s.shed(time.Now())
}

// maxSigned is the largest answer that is kept, in bytes.
const maxSigned = 1 << 20

// shed drops what is too old or too much, oldest first. The caller holds mu.
func (s *signatures) shed(now time.Time) {
	n := 0
	for n < len(s.order) {
		a := s.answers[s.order[n]]
		if len(s.answers) <= maxSignedAnswers && s.bytes <= maxSignedBytes && now.Before(a.until) {
			break
		}
		s.bytes -= a.size
		delete(s.answers, s.order[n])
		n++
	}
	s.order = append(s.order[:0], s.order[n:]...)
}

// restore puts the signed parts back into the turns that they came with, where the client has not brought any.
func (s *signatures) restore(key string, chat *llm.Chat) {
	for i := range chat.Messages {
		turn := &chat.Messages[i]
		if turn.Role != llm.RoleAssistant {
			continue
		}
		if call := unsigned(turn.Parts); call != "" {
			if a := s.find(signedKey{key, call}); a != nil {
				turn.Parts = a.into(turn.Parts)
			}
		}
	}
}

// unsigned returns the id of a turn's first tool call; "" if there is none, or something in the turn is signed.
func unsigned(parts []llm.Part) (call string) {
	for i := range parts {
		if parts[i].Signature != "" {
			return ""
		}
		if parts[i].Kind == llm.PartToolCall && call == "" {
			call = parts[i].ID
		}
	}
	return call
}

func (s *signatures) find(at signedKey) *signedAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.answers[at]; a != nil && time.Now().Before(a.until) {
		return a
	}
	return nil
}

// into returns parts with the thinking in front, in place of unsigned thinking, and the signatures at their calls.
func (a *signedAnswer) into(parts []llm.Part) []llm.Part {
	out := make([]llm.Part, 0, len(parts)+len(a.parts))
	byCall := map[string]*llm.Part{}
	for i := range a.parts {
		if p := &a.parts[i]; p.Kind == llm.PartToolCall {
			byCall[p.ID] = p
		} else {
			out = append(out, *p)
		}
	}
	for _, p := range parts {
		if p.Kind == llm.PartThinking {
			continue
		}
		if from := byCall[p.ID]; p.Kind == llm.PartToolCall && from != nil {
			p.Signature, p.Origin = from.Signature, from.Origin
		}
		out = append(out, p)
	}
	return out
}
