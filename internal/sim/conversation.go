package sim

import "strings"

// conversation is what was said so far, in the terms that all dialects have in common: who spoke, and the visible characters
// of the text. White space, the joining of turns of one speaker, ids and the writing of schemas make no difference, since a
// gateway that translates a chat may change them.
type conversation struct {
	hash  uint64
	first string // the first text of the user
	asked string // the last one
	last  spoken
	prior spoken // the turn before the last one
}

// spoken is one turn.
type spoken struct {
	role, text string
	calls      bool   // it has tool calls
	before     uint64 // hash of the conversation before it
	asked      string // as it was before it
	after      string // role of the turn before it
}

// add adds a turn.
func (c *conversation) add(role, text string) {
	switch role {
	case "developer":
		role = "system"
	case "function":
		role = "tool"
	}
	if c.hash == 0 {
		c.hash = hashStart
	}
	c.prior = c.last
	c.last = spoken{role: role, text: text, before: c.hash, asked: c.asked, after: c.prior.role}
	if role != c.prior.role {
		c.hash = hashString(c.hash, "\x00"+role+"\x00")
	}
	for i := range len(text) {
		if !isSpace(text[i]) {
			c.hash = (c.hash ^ uint64(text[i])) * hashPrime
		}
	}
	if role == "user" {
		c.asked = text
		if c.first == "" {
			c.first = text
		}
	}
}

// call adds a tool call to the last turn.
func (c *conversation) call(name string) {
	c.hash = hashString(c.hash, "\x01"+name)
	c.last.calls = true
}

// partial returns the model's turn that a request wants to have gone on with, nil if there is none: the last turn, or the one
// before a user's that says so.
func (c *conversation) partial() *spoken {
	t := &c.last
	if t.role == "user" && strings.Contains(strings.ToLower(t.text), "continue") {
		t = &c.prior
	}
	if t.role != "assistant" || t.text == "" || t.calls {
		return nil
	}
	return t
}

// goOn makes the rest of an answer of which a client has the beginning. ok is false if the answer does not begin with it.
func goOn(whole, partial, how string, overlap int64) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(whole, partial)
	if !ok {
		partial = strings.TrimSpace(partial)
		if rest, ok = strings.CutPrefix(whole, partial); !ok {
			return "", false
		}
	}
	switch how {
	case "restart":
		return whole, true
	case "chatty":
		return "Sure, continuing:\n" + rest, true
	case "overlap":
		at := max(len(partial)-int(overlap), 0)
		for at < len(partial) && partial[at]&0xc0 == 0x80 {
			at++ // not within a rune
		}
		return partial[at:] + rest, true
	}
	return rest, true
}

// begun reports whether a conversation with the key was noted before: by its first text of the user, or by a beginning of that
// up to white space, since a second try may say more at its end. If it was not, it is noted.
func (s *Server) begun(key, first string) bool {
	h := hashString(uint64(hashStart), key)
	s.mu.Lock()
	defer s.mu.Unlock()
	end := len(strings.TrimRight(first, " \t\r\n"))
	for i := range end {
		if isSpace(first[i]) {
			if _, ok := s.onces[h]; ok {
				return true
			}
		}
		h = (h ^ uint64(first[i])) * hashPrime
	}
	if _, ok := s.onces[h]; ok {
		return true
	}
	if s.onces == nil || len(s.onces) >= maxOnces {
		s.onces = map[uint64]struct{}{}
	}
	s.onces[h] = struct{}{}
	return false
}

// maxOnces bounds the conversations that are remembered for once; beyond it all are forgotten.
const maxOnces = 1 << 20
