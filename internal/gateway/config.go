package gateway

import "time"

// Retry says how often, how soon and how much at most a call is tried again.
type Retry struct {
	// Attempts is the largest number of attempts for one call, the first included, over all targets. A call that the
	// client itself is retrying (x-stainless-retry-count) gets one fewer for each of its retries, but still one for each
	// target as far as the number allows.
	Attempts int `yaml:"attempts" min:"1" max:"100"`
	// Budget is the largest share of a model's calls that may be retries at a target that the call has asked already;
	// failover to another one is not counted. It keeps retries from multiplying the load of a provider that is down.
	// Models that the configuration does not name share one budget.
	Budget float64 `yaml:"budget" unit:"share"`
	// Base is the upper end of the wait before the first retry; it doubles with each further one, and the actual wait is
	// random below it. A wait of up to a minute that the only target's provider states is used in its place.
	Base time.Duration `yaml:"base"`
	// Max is the longest such random wait.
	Max time.Duration `yaml:"max"`
}

// SetDefaults fills in what a file may leave out.
func (r *Retry) SetDefaults() {
	*r = Retry{Attempts: 3, Budget: 0.2, Base: 250 * time.Millisecond, Max: 8 * time.Second}
}

// Validate reports each problem with the key that it is at.
func (r *Retry) Validate(fail func(key, message string)) {
	if r.Max < r.Base {
		fail("max", "must not be less than base")
	}
}
