package plan

import "fmt"

// Limits are what a provider lets one account do with one model. 0 is no limit, or none that is known.
type Limits struct {
	RPS         int64 `json:"rps,omitempty"`          // requests a second
	RPM         int64 `json:"rpm,omitempty"`          // requests a minute
	TPM         int64 `json:"tpm,omitempty"`          // tokens a minute, input and output together
	ITPM        int64 `json:"itpm,omitempty"`         // input tokens a minute
	OTPM        int64 `json:"otpm,omitempty"`         // output tokens a minute
	RPD         int64 `json:"rpd,omitempty"`          // requests a day
	TPD         int64 `json:"tpd,omitempty"`          // tokens a day
	Concurrency int64 `json:"concurrency,omitempty"`  // requests under way
	BatchTokens int64 `json:"batch_tokens,omitempty"` // input tokens waiting in the provider's batch queue
}

// limitKind is one kind of limit and how it counts.
type limitKind struct {
	name string
	unit string
	of   func(*Limits) *int64
}

// limitKinds lists all kinds, in the order in which they are shown.
func limitKinds() []limitKind {
	return []limitKind{
		{"rps", "requests/s", func(l *Limits) *int64 { return &l.RPS }},
		{"rpm", "requests/min", func(l *Limits) *int64 { return &l.RPM }},
		{"tpm", "tokens/min", func(l *Limits) *int64 { return &l.TPM }},
		{"itpm", "input tokens/min", func(l *Limits) *int64 { return &l.ITPM }},
		{"otpm", "output tokens/min", func(l *Limits) *int64 { return &l.OTPM }},
		{"rpd", "requests/day", func(l *Limits) *int64 { return &l.RPD }},
		{"tpd", "tokens/day", func(l *Limits) *int64 { return &l.TPD }},
		{"concurrency", "requests at once", func(l *Limits) *int64 { return &l.Concurrency }},
		{"batch_tokens", "input tokens enqueued", func(l *Limits) *int64 { return &l.BatchTokens }},
	}
}

// Check reports the first limit that cannot be one.
func (l *Limits) Check() error {
	for _, k := range limitKinds() {
		if n := *k.of(l); n < 0 || n > MaxLimit {
			return fmt.Errorf("%s is %d, want 0 (none) to %d", k.name, n, int64(MaxLimit))
		}
	}
	return nil
}

// MaxLimit is the largest limit that is taken for one and not for a slip.
const MaxLimit = 1e15

// Any says whether there is a limit at all.
func (l *Limits) Any() bool {
	for _, k := range limitKinds() {
		if *k.of(l) > 0 {
			return true
		}
	}
	return false
}

// Online says whether there is a limit on calls that are not in batches.
func (l *Limits) Online() bool {
	own := *l
	own.BatchTokens = 0
	return own.Any()
}

// Over returns l with the limits of o in place of its own, where o has them.
func (l Limits) Over(o Limits) Limits {
	for _, k := range limitKinds() {
		if n := *k.of(&o); n > 0 {
			*k.of(&l) = n
		}
	}
	return l
}

// NamedLimit is one limit that is set.
type NamedLimit struct {
	Name  string
	Unit  string
	Value int64
}

// List returns the limits that are set.
func (l Limits) List() []NamedLimit {
	var all []NamedLimit
	for _, k := range limitKinds() {
		if n := *k.of(&l); n > 0 {
			all = append(all, NamedLimit{k.name, k.unit, n})
		}
	}
	return all
}

// LimitNames returns all kinds of limits, without values.
func LimitNames() []NamedLimit {
	var all []NamedLimit
	for _, k := range limitKinds() {
		all = append(all, NamedLimit{Name: k.name, Unit: k.unit})
	}
	return all
}

// Set sets a limit by its name.
func (l *Limits) Set(name string, n int64) {
	for _, k := range limitKinds() {
		if k.name == name {
			*k.of(l) = n
			return
		}
	}
	panic("BUG: plan: no limit " + name)
}
