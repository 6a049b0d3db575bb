package cluster

import (
	"encoding/json"
	"time"
)

// Hint is what one replica tells the others of a target or account: that its breaker has opened or closed, or that the provider has asked
// for a pause. It is hearsay: who hears it becomes suspicious, and finds out for itself.
type Hint struct {
	Account string    `json:"account"`
	Target  string    `json:"target,omitempty"` // provider/model; empty for the whole account
	Open    bool      `json:"open,omitempty"`
	Cause   string    `json:"cause,omitempty"`
	Scope   string    `json:"scope,omitempty"`
	Status  int       `json:"status,omitempty"`
	Code    string    `json:"code,omitempty"`
	Until   time.Time `json:"until,omitzero"` // when whoever told it will try again
	Told    time.Time `json:"told,omitzero"`  // when it was told
	From    string    `json:"from"`           // the replica
}

// maxHint bounds a hint as it is stored; longer ones are not told.
const maxHint = 2048

func (h *Hint) encode() []byte {
	b, err := json.Marshal(h)
	if err != nil || len(b) > maxHint {
		return nil
	}
	return b
}

// decodeHint reads a hint.
func decodeHint(s string) (Hint, bool) {
	var h Hint
	if len(s) > maxHint || json.Unmarshal([]byte(s), &h) != nil || h.Account == "" {
		return Hint{}, false
	}
	return h, true
}

// takeHints returns what is to be told.
func (c *Cluster) takeHints() []Hint {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hints
	c.hints = nil
	return h
}

// keepHints puts back what could not be told.
func (c *Cluster) keepHints(h []Hint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hints = append(h, c.hints...)
	c.hints = c.hints[max(len(c.hints)-maxHints, 0):]
}

// hear passes on what others have told. Times travel as the server's.
func (c *Cluster) hear(b beat) {
	for _, h := range b.hints {
		c.last = h.id
		hint, ok := decodeHint(h.text)
		if !ok || hint.From == c.id || c.o.Heard == nil {
			continue
		}
		offset, _ := c.clock.offset(c.o.Now())
		hint.Told = hint.Told.Add(-offset)
		if !hint.Until.IsZero() {
			hint.Until = hint.Until.Add(-offset)
		}
		c.o.Heard(hint)
	}
}

// beat makes this replica's sign of life.
func (c *Cluster) beat(hints []Hint) call {
	now := c.o.Now()
	a := call{keys: []string{c.o.Prefix + ":{replicas}:v1", c.o.Prefix + ":{replicas}:hints:v1"}, id: c.id, lease: leaseTime, last: c.last}
	for i := range hints {
		h := hints[i]
		h.From, h.Told = c.id, c.clock.server(now, now)
		if !h.Until.IsZero() {
			h.Until = c.clock.server(h.Until, now)
		}
		if b := h.encode(); b != nil {
			a.hints = append(a.hints, b)
		}
	}
	return a
}
