package auth

import (
	"strings"

	"sluice/internal/llm"
)

// Principal is who a call is charged to. It is immutable but for what the account counts, which it shares with the other keys of its name, and
// with the Principals that they had and will have under other configurations. A call keeps the Principal that it began with.
type Principal struct {
	dir     *Directory
	name    string
	tier    string
	exact   map[string]struct{} // models allowed by name
	globs   []string            // models allowed by pattern
	key     *bounds             // nil if nothing is limited
	user    *bounds             // of each end user; nil if nothing is limited
	tracked int                 // end users that are kept count of
	weight  int
	refusal *llm.Error // why the key is refused; nil for a good key. Shared: never changed
	account *account
}

// Name returns the key's name; empty for the anonymous principal of an open gateway.
func (p *Principal) Name() string { return p.name }

// Tier returns the name of the key's tier; may be empty.
func (p *Principal) Tier() string { return p.tier }

// Allows reports whether the key may use a model. Entries are exact names or patterns in which `*` stands for any text,
// slashes included: `openai/*` is every model of that provider. The name is compared as given: a caller that resolves
// `gpt-4o` to `openai/gpt-4o` asks for both.
func (p *Principal) Allows(model string) bool {
	if len(p.exact) == 0 && len(p.globs) == 0 {
		return true
	}
	if _, ok := p.exact[model]; ok {
		return true
	}
	for _, g := range p.globs {
		if match(g, model) {
			return true
		}
	}
	return false
}

// setModels splits the entries into exact names and patterns.
func (p *Principal) setModels(models []string) {
	for _, m := range models {
		if strings.Contains(m, "*") {
			p.globs = append(p.globs, m)
			continue
		}
		if p.exact == nil {
			p.exact = make(map[string]struct{}, len(models))
		}
		p.exact[m] = struct{}{}
	}
}

// match reports whether s fits pattern, in which `*` stands for any text. It is linear in the pattern's stars: the first
// fit of each piece is as good as any later one.
func match(pattern, s string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return s == pattern
	}
	if !strings.HasPrefix(s, head) {
		return false
	}
	s = s[len(head):]
	for {
		piece, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, piece)
		}
		i := strings.Index(s, piece)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(piece):], next
	}
}
